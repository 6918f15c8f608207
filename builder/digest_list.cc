#include "builder/digest_list.h"

#include <algorithm>

namespace acetate::build {

namespace {

constexpr std::size_t kHex = 64;

std::string checksum(std::string_view version, std::string_view text) {
  Sha256 hash;
  hash.update(version);
  hash.update(text);
  return hash.finish().hex();
}

}  // namespace

DigestList DigestList::of(const PathDigests& paths, std::string_view version) {
  std::string text;
  for (const auto& [path, digest] : paths) (text += (digest ? digest->hex() : std::string(kHex, '-')) + " " + path) += '\0';
  text += checksum(version, text);
  DigestList list(std::move(text));
  list.take_apart();
  return list;
}

std::optional<DigestList> DigestList::parse(std::string text, std::string_view version) {
  if (text.size() < kHex) return std::nullopt;
  const std::string_view lines = std::string_view(text).substr(0, text.size() - kHex);
  if (checksum(version, lines) != std::string_view(text).substr(lines.size())) return std::nullopt;
  DigestList list(std::move(text));
  if (!list.take_apart()) return std::nullopt;
  return list;
}

bool DigestList::take_apart() {
  std::string_view rest(*text_);
  rest.remove_suffix(kHex);
  while (!rest.empty()) {
    const std::size_t end = rest.find('\0', std::min(kHex, rest.size()));
    if (end == std::string_view::npos || end <= kHex) return false;
    const std::string_view path = rest.substr(kHex + 1, end - kHex - 1);
    if (!lines_.empty() && path <= lines_.back().path) return false;
    lines_.push_back({.path = path, .hex = rest.starts_with('-') ? std::string_view() : rest.substr(0, kHex)});
    rest.remove_prefix(end + 1);
  }
  return true;
}

const DigestList::Line* DigestList::find(std::string_view path) const {
  const auto at = std::ranges::lower_bound(lines_, path, {}, &Line::path);
  return at == lines_.end() || at->path != path ? nullptr : &*at;
}

}  // namespace acetate::build
