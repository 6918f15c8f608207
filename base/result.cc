#include "base/result.h"

#include <cstring>

namespace acetate {

std::string Error::message() const {
  if (words_) return *words_;
  char buffer[128];
  // The GNU strerror_r: it may answer with a constant instead of filling the buffer.
  return strerror_r(code_, buffer, sizeof buffer);
}

Error Error::within(std::string_view context) && {
  return {code_, fmt::format("{}: {}", context, message())};
}

}  // namespace acetate
