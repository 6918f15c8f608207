#include "layers/tar/acl_text.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/number.h"

namespace acetate {

namespace {

constexpr std::uint32_t kVersion = 2;         // POSIX_ACL_XATTR_VERSION
constexpr std::uint32_t kNoId = 0xffffffffU;  // ACL_UNDEFINED_ID

// linux/posix_acl.h; the kernel wants entries in this order.
enum Tag : std::uint16_t { user_obj = 0x01, user = 0x02, group_obj = 0x04, group = 0x08, mask = 0x10, other = 0x20 };

struct AclEntry {
  std::uint16_t tag;
  std::uint16_t permissions;
  std::uint32_t id;
  auto operator<=>(const AclEntry&) const = default;
};

std::string_view next_field(std::string_view& text, std::string_view separators) {
  const std::size_t end = std::min(text.find_first_of(separators), text.size());
  const std::string_view field = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return field;
}

std::optional<std::uint32_t> id_of(std::string_view text) {
  const auto id = number_of<std::uint32_t>(text);
  return id == kNoId ? std::nullopt : id;
}

std::optional<std::uint16_t> permissions_of(std::string_view text) {
  constexpr std::string_view kLetters = "rwx";
  if (text.size() != kLetters.size()) return std::nullopt;
  std::uint16_t bits = 0;
  for (std::size_t i = 0; i < kLetters.size(); ++i) {
    if (text[i] != kLetters[i] && text[i] != '-') return std::nullopt;
    bits = static_cast<std::uint16_t>(bits << 1 | (text[i] == '-' ? 0 : 1));
  }
  return bits;
}

std::optional<std::uint16_t> tag_of(std::string_view word, bool named) {
  if (word == "user" || word == "u") return named ? user : user_obj;
  if (word == "group" || word == "g") return named ? group : group_obj;
  if (word == "mask" || word == "m") return mask;
  if (word == "other" || word == "o") return other;
  return std::nullopt;
}

// "TAG:[QUALIFIER]:PERMISSIONS[:NUMBER]"; POSIX.1e has "other:rwx" too.
Result<void> read_entry(std::string_view text, std::vector<AclEntry>& into) {
  const auto no_entry = [] { return fail(EBADMSG, "an ACL has an entry that is none"); };
  const std::string_view word = next_field(text, ":");
  std::string_view qualifier = next_field(text, ":");
  std::string_view letters = next_field(text, ":");
  if (letters.empty()) std::swap(qualifier, letters);
  const auto tag = tag_of(word, !qualifier.empty());
  const auto permissions = permissions_of(letters);
  const bool is_named = tag == user || tag == group;
  if (!tag || !permissions || (!qualifier.empty() && !is_named)) return no_entry();
  if (!is_named) {
    into.push_back({*tag, *permissions, kNoId});
  } else if (const auto id = id_of(text.empty() ? qualifier : text)) {
    into.push_back({*tag, *permissions, *id});
  } else if (!text.empty()) {
    return no_entry();
  }
  return {};
}

// As posix_acl_valid() has it; `entries` sorted.
bool is_valid(const std::vector<AclEntry>& entries, bool needs_mask) {
  const auto count = [&](Tag tag) { return std::ranges::count(entries, tag, &AclEntry::tag); };
  const auto same = std::ranges::adjacent_find(
      entries, [](const AclEntry& a, const AclEntry& b) { return a.tag == b.tag && a.id == b.id; });
  return same == entries.end() && count(user_obj) == 1 && count(group_obj) == 1 && count(other) == 1 &&
         (count(mask) == 1 || !needs_mask);
}

}  // namespace

Result<std::optional<std::string>> acl_from_text(std::string_view text, AclKind kind) {
  std::vector<AclEntry> entries;
  while (!text.empty()) {
    std::string_view entry = next_field(text, ",\n");
    // acl_to_any_text() may add "\t#effective:r--".
    entry = entry.substr(0, entry.find('#'));
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\0'; };
    while (!entry.empty() && blank(entry.back())) entry.remove_suffix(1);
    while (!entry.empty() && blank(entry.front())) entry.remove_prefix(1);
    if (!entry.empty()) TRY(read_entry(entry, entries));
  }
  std::ranges::sort(entries);
  const bool has_names = std::ranges::any_of(entries, [](const AclEntry& e) { return e.id != kNoId; });
  if (!is_valid(entries, has_names)) return fail(EBADMSG, "an ACL has entries too few or twice");
  if (kind == AclKind::access && entries.size() == 3) return std::optional<std::string>();
  ByteWriter value;
  value.put(kVersion);
  for (const AclEntry& entry : entries) {
    value.put(entry.tag);
    value.put(entry.permissions);
    value.put(entry.id);
  }
  return std::optional<std::string>(as_text(value.bytes()));
}

}  // namespace acetate
