// htpasswd: lines of NAME:HASH, where HASH is anything crypt(3) knows: bcrypt as `htpasswd -B` writes it,
// SHA-512.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/mutex.h"
#include "base/result.h"

namespace acetate::registry {

// Thread-safe.
class Htpasswd {
 public:
  // EINVAL with words and the line for what is no such line, or a hash of a kind that is not taken (MD5,
  // plain text).
  static Result<std::map<std::string, std::string>> parse(std::string_view text, std::string_view what);
  explicit Htpasswd(std::map<std::string, std::string> hashes) : hashes_(std::move(hashes)) {}

  // What an Authorization header shows. A good one is remembered (as a digest), for bcrypt is slow on purpose
  // and a pull asks dozens of times.
  bool accepts(std::string_view authorization);

 private:
  const std::map<std::string, std::string> hashes_;
  Mutex mutex_;
  std::set<Digest> accepted_ GUARDED_BY(mutex_);
};

}  // namespace acetate::registry
