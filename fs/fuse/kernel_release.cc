#include "fs/fuse/kernel_release.h"

#include <sys/utsname.h>

#include <array>
#include <charconv>
#include <optional>
#include <tuple>

namespace acetate::fs {

namespace {

// "6.18.44-something": what it begins with; a third number that is not there is 0.
std::optional<std::array<int, 3>> numbers_of(std::string_view release) {
  std::array<int, 3> numbers{};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto [end, error] = std::from_chars(release.data(), release.data() + release.size(), numbers[i]);
    if (error != std::errc() || numbers[i] < 0) return std::nullopt;
    release.remove_prefix(static_cast<std::size_t>(end - release.data()));
    if (!release.starts_with('.')) return i == 0 ? std::nullopt : std::optional(numbers);
    release.remove_prefix(1);
  }
  return numbers;
}

}  // namespace

bool may_leave_open_out(std::string_view release) {
  const auto numbers = numbers_of(release);
  if (!numbers) return false;
  const auto [major, minor, patch] = *numbers;
  const std::pair version(major, minor);
  if (version < std::pair(5, 15) || version >= std::pair(6, 19)) return true;
  if (version == std::pair(6, 18)) return patch >= 3;
  return version == std::pair(6, 12) && patch >= 64;
}

bool may_pass_through(std::string_view release) {
  const auto numbers = numbers_of(release);
  return numbers && std::pair((*numbers)[0], (*numbers)[1]) >= std::pair(6, 12);
}

bool may_give_ends(std::string_view release) {
  const auto numbers = numbers_of(release);
  return numbers && std::pair((*numbers)[0], (*numbers)[1]) >= std::pair(6, 11);
}

bool checks_who_sets_flags(std::string_view release) {
  const auto numbers = numbers_of(release);
  return numbers && std::pair((*numbers)[0], (*numbers)[1]) >= std::pair(5, 13);
}

std::string kernel_release() {
  utsname name{};
  return ::uname(&name) == 0 ? std::string(name.release) : std::string();
}

}  // namespace acetate::fs
