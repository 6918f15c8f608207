// From a name to a repository one can talk to: registries.conf, policy.json, credentials and certificates put together.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "layers/image/reference.h"
#include "layers/registry/registries_conf.h"
#include "layers/registry/repository.h"
#include "layers/registry/signature_policy.h"

namespace acetate::registry {

struct RemoteOptions {
  std::string authfile = {};        // instead of the usual files
  std::optional<Login> login = {};  // instead of what those say, for the registry that a name has in it and for no other
  std::string cert_dir = {};        // instead of certs.d
  std::optional<bool> verify_tls =
      {};  // false: every host is insecure; true: none is, whatever registries.conf says
  RetryPolicy retry = {};
  bool insists = false;  // RegistryOptions has it
  HttpOptions http = {};
};

// Reads the configuration once and keeps one connection pool; hosts are connected to when they are first
// needed and stay so. Thread-safe: one host that does not answer keeps nobody from the others.
class Remotes {
 public:
  static Result<std::unique_ptr<Remotes>> make(const Environment& environment, uid_t uid,
                                               RemoteOptions options);
  // For the user and the environment of this process.
  static Result<std::unique_ptr<Remotes>> of_this_process(RemoteOptions options = {});

  // The repository at a place, with the login that the files have of it. Its host is asked now, and once, so an error says that it cannot
  // be reached.
  Result<Repository> at(const Place& place);
  // The host alone, as `login` needs it.
  Result<Registry*> host(const std::string& host, bool insecure, const std::optional<Login>& login) {
    return this->host(host, insecure, login, false);
  }

  // Does `work` at each place a name may be pulled from, mirrors first, until it succeeds somewhere. The last
  // error is the one told; those of mirrors are warnings. Trouble of
  // this machine itself (is_local()) ends it at once. Only the last place is waited for, as RemoteOptions::retry has it, when it does
  // not answer. EPERM with words, before anybody is asked, when the policy does not
  // allow the name.
  Result<void> pull_from_first(const image::Reference& name,
                               const std::function<Result<void>(Repository&)>& work);
  Result<Repository> to_push(const image::Reference& name);

  const RegistriesConf& conf() const { return conf_; }
  const SignaturePolicy& policy() const { return policy_; }
  const Credentials& credentials() const { return credentials_; }
  // What registries.conf says of a bare host.
  bool is_insecure(const std::string& host) const;

 private:
  Remotes(Environment environment, RemoteOptions options, RegistriesConf conf, SignaturePolicy policy, CredentialFiles files,
          std::unique_ptr<Http> http);
  // The same for who asks for `name`: with the login that was given for its registry, where that is it.
  Result<Repository> at(const Place& place, const image::Reference& name, bool waits_for_it);
  Result<Registry*> host(const std::string& host, bool insecure, const std::optional<Login>& login, bool waits_for_it);

  const Environment environment_;
  const RemoteOptions options_;
  const RegistriesConf conf_;
  const SignaturePolicy policy_;
  const Credentials credentials_;
  const std::unique_ptr<Http> http_;
  // A host that is connected to, or being.
  struct Connection {
    Mutex mutex;
    std::unique_ptr<Registry> registry GUARDED_BY(mutex);
  };
  Mutex mutex_;
  // By host, login and whether it is insecure: two paths of one host may have credentials of their own.
  std::map<std::string, Connection> connections_ GUARDED_BY(mutex_);
};

}  // namespace acetate::registry
