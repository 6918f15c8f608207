// policy.json (containers-policy.json(5)): which images may be used at all, as podman and skopeo ask it on the same machine.
//
// Signatures are not looked at here, so what wants one is refused: an administrator's file never means less than it says.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "layers/image/reference.h"
#include "layers/registry/credentials.h"

namespace acetate::registry {

enum class Requirement { accept_anything, reject, signature };

// Immutable, thread-safe.
class SignaturePolicy {
 public:
  // ~/.config/containers/policy.json, or /etc/containers/policy.json where that is missing; where both are, everything may be
  // used. Errors with words as of(), and those of reading.
  static Result<SignaturePolicy> load(const Environment& environment);
  // EINVAL with words. The format is strict: a key that it does not know, or that comes twice, ends everything, so that nothing
  // misspelt opens a door. `file`: for people.
  static Result<SignaturePolicy> of(std::string_view json, std::string file);

  // Whether what the scopes of a transport ("docker", "oci", "dir") stand for may be used: the first scope that the file has
  // decides, then the transport's own default, then everybody's. EPERM with words that name the file and the rule.
  Result<void> check(std::string_view transport, const std::vector<std::string>& scopes) const;

 private:
  using Requirements = std::vector<Requirement>;
  std::string file_;  // empty: there is none
  Requirements default_ = {Requirement::accept_anything};
  std::map<std::string, std::map<std::string, Requirements>> transports_ = {};
};

// What a name in a registry may be called in a policy, the nearest first: itself with tag or digest, its repository, what that
// lies in, the host, and "*.domain" for each domain the host is in. Pure.
std::vector<std::string> policy_scopes(const image::Reference& name);
// The same for an absolute path, of "dir" and "oci": itself and what it lies in, but not "/". Pure.
std::vector<std::string> policy_scopes(std::string_view path);

}  // namespace acetate::registry
