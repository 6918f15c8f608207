// One checked component of a path, NUL-terminated, without an allocation.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/rel_path.h"
#include "base/result.h"

namespace acetate::fs {

inline constexpr std::size_t kNameMax = 255;

class Name {
 public:
  // ENAMETOOLONG past 255 bytes; EINVAL for what is no single component.
  static Result<Name> of(std::string_view text) {
    if (text.size() > kNameMax) return Error(ENAMETOOLONG);
    if (!RelPath::is_name(text)) return Error(EINVAL);
    return Name(text);
  }
  const char* c_str() const noexcept { return text_; }
  std::string_view view() const noexcept { return {text_, size_}; }

 private:
  friend struct Place;
  explicit Name(std::string_view text) noexcept : size_(static_cast<std::uint8_t>(text.size())) {
    std::memcpy(text_, text.data(), text.size());
    text_[text.size()] = '\0';
  }
  std::uint8_t size_;
  char text_[kNameMax + 1];
};

}  // namespace acetate::fs
