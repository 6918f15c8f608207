#include "fs/dir_listing.h"

#include <algorithm>

#include "base/hash.h"

namespace acetate::fs {

namespace {

// Positions of the lower's names stay below.
constexpr std::uint64_t kFirst = std::uint64_t{1} << 30;
// Behind the last there is room for those that hash alike.
constexpr std::uint64_t kPlaces = kFirst - (1 << 20);

}  // namespace

std::uint64_t DirListing::place_of_upper_name(std::string_view name) noexcept { return kFirst + xxh3(name) % kPlaces; }

void DirListing::add(std::string_view name, unsigned char type, std::uint64_t ino, std::uint64_t place) {
  entries_.push_back(Entry{.ino = ino, .cookie = place, .name_at = names_.size(), .name_size = static_cast<std::uint8_t>(name.size()), .type = type});
  names_.append(name).push_back('\0');
}

void DirListing::put_in_order() {
  const auto before = [this](const Entry& a, const Entry& b) { return a.cookie != b.cookie ? a.cookie < b.cookie : name_of(a) < name_of(b); };
  if (!std::ranges::is_sorted(entries_, before)) std::ranges::sort(entries_, before);
  std::uint64_t last = 0;
  for (Entry& entry : entries_) last = entry.cookie = std::max(entry.cookie, last + 1);
}

bool DirListing::each(std::uint64_t cookie, const std::function<bool(const ListedEntry&)>& each) const {
  const auto first = std::ranges::upper_bound(entries_, cookie, {}, &Entry::cookie);
  for (auto at = first; at != entries_.end(); ++at)
    if (!each(ListedEntry{.name = name_of(*at), .type = at->type, .ino = at->ino, .cookie = at->cookie})) break;
  return first != entries_.end();
}

}  // namespace acetate::fs
