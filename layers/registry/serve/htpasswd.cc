#include "layers/registry/serve/htpasswd.h"

#include <crypt.h>

#include <algorithm>
#include <memory>

#include "base/base64.h"

namespace acetate::registry {

namespace {

constexpr std::string_view kBasic = "Basic ";

bool is_known_hash(std::string_view hash) {
  for (const std::string_view kind : {"$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$", "$7$"})
    if (hash.starts_with(kind)) return true;
  return false;
}

// In a time that does not tell how much of it was right.
bool equal(std::string_view a, std::string_view b) {
  unsigned differ = a.size() != b.size();
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    differ |= static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]));
  return differ == 0;
}

bool matches(const std::string& password, const std::string& hash) {
  const auto data = std::make_unique<crypt_data>();
  const char* made = crypt_r(password.c_str(), hash.c_str(), data.get());
  return made != nullptr && equal(made, hash);
}

}  // namespace

Result<std::map<std::string, std::string>> Htpasswd::parse(std::string_view text, std::string_view what) {
  std::map<std::string, std::string> hashes;
  int number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    auto line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    const auto colon = line.find(':');
    if (colon == 0 || colon == std::string_view::npos)
      return fail(EINVAL, "{}:{}: no NAME:HASH", what, number);
    const auto hash = line.substr(colon + 1);
    if (!is_known_hash(hash))
      return fail(EINVAL,
                  "{}:{}: the password of \"{}\" is not hashed by bcrypt or SHA-2; make it by htpasswd -B",
                  what, number, line.substr(0, colon));
    hashes[std::string(line.substr(0, colon))] = std::string(hash);
  }
  return hashes;
}

bool Htpasswd::accepts(std::string_view authorization) {
  if (!authorization.starts_with(kBasic)) return false;
  const auto shown = Digest::of(authorization);
  {
    const Lock lock(mutex_);
    if (accepted_.contains(shown)) return true;
  }
  const auto pair = base64_decode(authorization.substr(kBasic.size()));
  const auto colon = pair ? pair->find(':') : std::string::npos;
  if (colon == std::string::npos) return false;
  const auto at = hashes_.find(pair->substr(0, colon));
  const bool known = at != hashes_.end();
  // An unknown name costs as much time as a known one, if there is any to compare with.
  if (hashes_.empty() || !matches(pair->substr(colon + 1), known ? at->second : hashes_.begin()->second) ||
      !known)
    return false;
  const Lock lock(mutex_);
  accepted_.insert(shown);
  return true;
}

}  // namespace acetate::registry
