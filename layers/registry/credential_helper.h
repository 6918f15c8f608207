// docker-credential-NAME: a program that keeps passwords in a key ring.
#pragma once

#include <optional>
#include <string>

#include "layers/registry/credentials.h"

namespace acetate::registry {

// Errors have words that name the program. It runs with our environment, its stderr is ours.
class CredentialHelper {
 public:
  // The NAME of docker-credential-NAME. EINVAL with words for what could be the path of another program.
  static Result<CredentialHelper> named(const std::string& name);

  Result<std::optional<Login>> get(const std::string& server) const;
  Result<void> store(const std::string& server, const Login& login) const;
  Result<void> erase(const std::string& server) const;

 private:
  explicit CredentialHelper(std::string program) : program_(std::move(program)) {}
  struct Answer;
  Result<Answer> ask(const char* verb, const std::string& input) const;
  std::string program_;
};

}  // namespace acetate::registry
