// One registry host: found, asked for permission, and asked again when the network or the host had a bad moment.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/mutex.h"
#include "layers/registry/authorizer.h"
#include "layers/registry/http.h"
#include "layers/registry/retry.h"

namespace acetate::registry {

struct RegistryOptions {
  std::string host;            // as names have it: "docker.io", "localhost:5000"
  bool insecure = false;       // certificates are not looked at, and plain http will do
  std::optional<Login> login = {};
  // What is trusted of, and shown to, a host ("cdn.example:8443"); redirects ask for hosts of their own.
  std::function<Result<Tls>(const std::string& authority)> certificates = {};
  RetryPolicy retry = {};
  bool waits_for_it = false;  // the first time, too: one that does not answer yet is asked again, as `retry` has it
  bool insists = false;       // then also where nobody listens, or nothing comes back: a host that is not there, as a rule
};

// What is asked of a registry: a Request whose URL may be a path below /v2/.
struct Ask {
  std::string method = "GET";
  std::string url;
  Headers headers = {};
  Body body = {};
  Scope scope = {};
  bool repeatable = true;  // false: a second try might do it twice, so the caller decides
  // A part of something of which more parts will be asked for: where the registry sent us last time, elsewhere, is asked at
  // once, until that address does not give it any more.
  bool remembers_redirect = false;
};

// Thread-safe. Uses `http`, which must outlive it.
class Registry {
 public:
  // Asks for /v2/: over https, or, where that fails and the host is insecure or this machine itself, over http.
  // Errors with words as Http::start(); EPROTO when who answers there is no registry.
  static Result<std::unique_ptr<Registry>> connect(Http& http, RegistryOptions options);

  // The answer, whatever it says, after logging in, following redirects (10 at most; neither our password nor our
  // certificate leaves the registry's own origin), and trying again what is_transient() or is_transient_status().
  Result<Exchange> send(const Ask& ask);

  // Where a Location that was found in an answer to `from` leads. EPROTO with words when that is out of TLS, unless the host is insecure.
  Result<std::string> leads_to(const std::string& from, const std::string& location) const;

  // Whether our login is good: what `login` asks. EACCES with words.
  Result<void> check_login();

  const std::string& host() const { return options_.host; }
  const RetryPolicy& retry_policy() const { return options_.retry; }

 private:
  Registry(Http& http, RegistryOptions options, std::string base, const Tls& tls);
  Result<Request> request_of(const Ask& ask, const std::string& url, bool at_home);
  struct Outcome {
    Exchange answer;
    bool at_home;         // no redirect led elsewhere
    std::string authorization;  // what we showed
  };
  Result<Outcome> send_once(const Ask& ask, const std::optional<std::string>& address);
  std::optional<std::string> remembered(const Ask& ask);
  void remember(const Ask& ask, const std::string& address);
  void forget(const Ask& ask);
  void show_warnings(const Exchange& answer);

  Http& http_;
  const RegistryOptions options_;
  const std::string base_;  // "https://host"
  std::string origin_;
  const Tls tls_;
  Authorizer authorizer_;
  Mutex mutex_;
  std::set<std::string> warnings_ GUARDED_BY(mutex_);
  std::map<std::string, std::string> addresses_ GUARDED_BY(mutex_);  // where redirects led, by what was asked
};

// Where the registry of a name is reached: docker.io has another address than name.
std::string address_of(const std::string& host);

}  // namespace acetate::registry
