// A number that is an option's whole value.
#pragma once

#include <charconv>
#include <string_view>

#include "base/result.h"

namespace acetate::cli {

// EINVAL with words that name `what`.
template <class T>
Result<T> parse_number(std::string_view text, std::string_view what) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return fail(EINVAL, "{} wants a number, not \"{}\"", what, text);
  return value;
}

}  // namespace acetate::cli
