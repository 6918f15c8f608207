// The right to do something at one registry: Basic, or Bearer tokens of the realm the registry names
// (distribution/docs/spec/auth: token.md and oauth.md).
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "layers/registry/challenge.h"
#include "layers/registry/credentials.h"
#include "layers/registry/http.h"

namespace acetate::registry {

// "repository:library/debian:pull"; several when a blob of another repository is mounted. Sorted.
using Scope = std::vector<std::string>;
Scope pull_scope(const std::string& repository);
Scope push_scope(const std::string& repository);
// To push to one and take blobs of others.
Scope mount_scope(const std::string& repository, const std::vector<std::string>& from);

struct AuthorizerOptions {
  std::string host;            // for people
  std::optional<Login> login;  // none: what is open to everybody
  // Passwords may go over plain http wherever the registry says; without it only to this machine itself.
  bool insecure = false;
  // What is trusted of, and shown to, the token server ("auth.example:8443").
  std::function<Result<Tls>(const std::string& authority)> certificates = {};
};

// Thread-safe: tokens are kept for each scope, and while one thread gets one the others wait for it.
class Authorizer {
 public:
  Authorizer(Http& http, AuthorizerOptions options) : http_(http), options_(std::move(options)) {}

  // The value of the Authorization header for a request; "" before anybody was challenged, or when nothing is asked.
  Result<std::string> authorization(const Scope& scope);

  // What a 401 to nobody in particular said, as the one to /v2/: spares the first request its own.
  void note(const std::vector<Challenge>& challenges);
  // What a 401 said, to a request that had sent `used`. True when authorization() has something else now and the
  // request is worth another try. EACCES with words when it does not help: no login, or a refused one.
  Result<bool> learn(const std::vector<Challenge>& challenges, const Scope& scope, const std::string& used);

 private:
  using Clock = std::chrono::steady_clock;
  enum class Kind { unknown, basic, bearer };
  struct Token {
    std::string value;
    Clock::time_point until;
  };

  // The challenge we can meet, noted; null when there is none.
  const Challenge* note_locked(const std::vector<Challenge>& challenges) REQUIRES(mutex_);
  Result<std::string> token_locked(const Scope& scope) REQUIRES(mutex_);
  Result<Token> fetch_token(const Scope& scope) REQUIRES(mutex_);
  Result<Request> token_request(const Scope& scope) REQUIRES(mutex_);
  Error refused() const;

  Http& http_;
  const AuthorizerOptions options_;
  Mutex mutex_;
  Kind kind_ GUARDED_BY(mutex_) = Kind::unknown;
  std::string realm_ GUARDED_BY(mutex_), service_ GUARDED_BY(mutex_);
  std::map<Scope, Token> tokens_ GUARDED_BY(mutex_);
  std::map<Scope, Scope> widened_ GUARDED_BY(mutex_);  // what the registry said it wants instead
};

}  // namespace acetate::registry
