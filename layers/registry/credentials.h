// Who we are to a registry: the files that docker, podman and skopeo share (containers-auth.json(5),
// docker's config.json), and the credential helpers they name.
//
// Facts: an entry's key is a host or "host/path", the longest that fits wins; docker.io is kept by docker as
// "https://index.docker.io/v1/". A helper is asked on stdin and answers on stdout
// (github.com/docker/docker-credential-helpers); the user name "<token>" says that its secret is an identity token.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace acetate::registry {

using Environment = std::function<std::optional<std::string>(const char* name)>;
std::optional<std::string> process_environment(const char* name);

struct Login {
  std::string username;
  std::string secret;  // password, or the identity token
  bool identity_token = false;
  bool operator==(const Login&) const = default;
};

struct CredentialFiles {
  std::vector<std::string> read;  // in the order they are asked
  std::string write;              // where a login goes
};
// `authfile` (of a command line) or $REGISTRY_AUTH_FILE alone, else $XDG_RUNTIME_DIR/containers/auth.json,
// $XDG_CONFIG_HOME/containers/auth.json, $DOCKER_CONFIG/config.json or ~/.docker/config.json, ~/.dockercfg.
CredentialFiles credential_files(const Environment& environment, uid_t uid, const std::string& authfile);

// Files are read anew each time. Errors have words that name the file; a file that is not there holds nothing.
class Credentials {
 public:
  explicit Credentials(CredentialFiles files) : files_(std::move(files)) {}

  // For "docker.io/library/debian", "registry.example:5000". Nothing when nobody knows.
  Result<std::optional<Login>> find(const std::string& name) const;
  // Into the file for writing (made with mode 0600, replaced by one rename), or the helper it names.
  Result<void> store(const std::string& name, const Login& login) const;
  // Out of the file for writing and its helper. False when there was nothing.
  Result<bool> erase(const std::string& name) const;
  Result<void> erase_all() const;

  const std::string& written_to() const { return files_.write; }

 private:
  CredentialFiles files_;
};

// The keys to look under, best first: "a/b/c", "a/b", "a", and what docker calls docker.io. Pure.
std::vector<std::string> credential_keys(const std::string& name);

}  // namespace acetate::registry
