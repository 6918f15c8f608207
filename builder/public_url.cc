#include "builder/public_url.h"

#include <algorithm>

namespace acetate::build {

std::string without_users(std::string_view text) {
  constexpr std::string_view kScheme = "://";
  std::string out;
  for (;;) {
    const std::size_t scheme = text.find(kScheme);
    if (scheme == std::string_view::npos) return out += text;
    out += text.substr(0, scheme + kScheme.size());
    text.remove_prefix(scheme + kScheme.size());
    // Up to where a host must have ended: a password may hold an '@' itself.
    const std::size_t end = std::min(text.find_first_of("/?# \t\r\n'\""), text.size());
    const std::size_t at = text.substr(0, end).rfind('@');
    if (at != std::string_view::npos) text.remove_prefix(at + 1);
  }
}

}  // namespace acetate::build
