// DirListing: the names of a directory at one moment, by cookies that belong to the names and not to the moment.
//
// A cookie is where a reader goes on. Two listings of one directory give a name that was there all the time the same cookie, so whoever
// goes on in a newer listing than he began in neither misses nor repeats it: no listing has to be kept for those who are reading. A name
// that the lower has keeps its position among the lower's, which never changes, whether the upper has it too or not; that is the order in
// which a tarball is best read. What only the upper has comes after all of them, by a hash of its name (so does every name on ext4,
// fs/ext4/hash.c). Cookies fit in 31 bits: programs for 32 bits without large files, and telldir(3) there, take no other. So of a hundred
// thousand names that only the upper has some five pairs hash alike. The second of a pair stands behind the first, and takes its place once
// that is gone: who has read as far as between the two and removes the first misses the second, if his listing was forgotten meanwhile.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/types.h"

namespace acetate::fs {

class DirListing {
 public:
  // Where a name stands that only the upper has.
  static std::uint64_t place_of_upper_name(std::string_view name) noexcept;
  // Where the lower's nth name stands: behind "." and "..".
  static std::uint64_t place_of_lower_name(std::uint64_t n) noexcept { return kDotDot + 1 + n; }
  static constexpr std::uint64_t kDot = 1, kDotDot = 2;

  // A name that is not in it yet; at most 255 bytes.
  void add(std::string_view name, unsigned char type, std::uint64_t ino, std::uint64_t place);
  // The nth that was added stands elsewhere. Before put_in_order().
  void move(std::size_t n, std::uint64_t place) noexcept { entries_[n].cookie = place; }
  // Nothing is added afterwards.
  void put_in_order();

  // Entries after `cookie` until `each` returns false; their names are NUL-terminated. Whether there was any.
  bool each(std::uint64_t cookie, const std::function<bool(const ListedEntry&)>& each) const;
  std::size_t size() const noexcept { return entries_.size(); }
  // What it takes in memory.
  std::size_t bytes() const noexcept { return sizeof *this + names_.capacity() + entries_.capacity() * sizeof(Entry); }

 private:
  struct Entry {
    std::uint64_t ino;
    std::uint64_t cookie;
    std::size_t name_at;
    std::uint8_t name_size;
    unsigned char type;
  };
  std::string_view name_of(const Entry& entry) const { return std::string_view(names_).substr(entry.name_at, entry.name_size); }

  std::string names_;           // one after another, each with a NUL: a hundred thousand names, one allocation
  std::vector<Entry> entries_;  // by cookie, once in order
};

}  // namespace acetate::fs
