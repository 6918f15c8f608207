#include "fs/dir_listing.h"

#include <algorithm>
#include <unordered_map>

namespace acetate::fs {

void DirListing::add(std::string_view name, unsigned char type, std::uint64_t ino) {
  entries_.push_back(Entry{.ino = ino,
                           .cookie = ++last_cookie_,
                           .name_at = names_.size(),
                           .name_size = static_cast<std::uint8_t>(name.size()),
                           .type = type});
  names_.append(name);
}

void DirListing::renew(DirListing fresh) {
  std::unordered_map<std::string_view, std::uint64_t> known;
  known.reserve(entries_.size());
  for (const Entry& entry : entries_) known.emplace(name_of(entry), entry.cookie);
  fresh.last_cookie_ = last_cookie_;
  for (Entry& entry : fresh.entries_) {
    const auto old = known.find(fresh.name_of(entry));
    entry.cookie = old != known.end() ? old->second : ++fresh.last_cookie_;
  }
  std::sort(fresh.entries_.begin(), fresh.entries_.end(),
            [](const Entry& a, const Entry& b) { return a.cookie < b.cookie; });
  *this = std::move(fresh);
}

void DirListing::each(std::uint64_t cookie, const std::function<bool(const ListedEntry&)>& each) const {
  auto at = std::upper_bound(entries_.begin(), entries_.end(), cookie,
                             [](std::uint64_t wanted, const Entry& entry) { return wanted < entry.cookie; });
  for (; at != entries_.end(); ++at)
    if (!each(ListedEntry{.name = name_of(*at), .type = at->type, .ino = at->ino, .cookie = at->cookie})) return;
}

}  // namespace acetate::fs
