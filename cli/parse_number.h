// A number that is an option's whole value.
#pragma once

#include <string_view>

#include "base/number.h"
#include "base/result.h"

namespace acetate::cli {

// EINVAL with words that name `what`.
template <class T>
Result<T> parse_number(std::string_view text, std::string_view what) {
  const auto value = number_of<T>(text);
  if (!value) return fail(EINVAL, "{} wants a number, not \"{}\"", what, text);
  return *value;
}

}  // namespace acetate::cli
