#include "fs/owner_note.h"

#include <fmt/format.h>

#include "base/number.h"


namespace acetate::fs {

namespace {

// False where it is neither empty nor a number.
bool read_id(std::string_view text, std::optional<std::uint32_t>& id) {
  if (text.empty()) return true;
  const auto number = number_of<std::uint32_t>(text);
  if (!number || *number == static_cast<std::uint32_t>(-1)) return false;
  id = number;
  return true;
}

}  // namespace

std::string format_owner_note(const OwnerNote& note) {
  return fmt::format("{}:{}", note.uid ? std::to_string(*note.uid) : "", note.gid ? std::to_string(*note.gid) : "");
}

std::optional<OwnerNote> parse_owner_note(std::string_view text) {
  const std::size_t colon = text.find(':');
  OwnerNote note;
  if (colon == std::string_view::npos || !read_id(text.substr(0, colon), note.uid) || !read_id(text.substr(colon + 1), note.gid)) return std::nullopt;
  return note;
}

}  // namespace acetate::fs
