// DirListing: the names of one open directory, with cookies that stay true while it changes.
//
// A listing is taken whole when reading begins. Beginning again takes a new one, in which every name that was
// there before keeps its cookie and new ones get higher cookies: whoever goes on from an old cookie neither
// misses nor repeats an entry that was there all the time.
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
  // A name that is not in it yet; at most 255 bytes.
  void add(std::string_view name, unsigned char type, std::uint64_t ino);
  // Takes the names of `fresh`, with the cookies of those that are known.
  void renew(DirListing fresh);
  // Entries after `cookie` until `each` returns false.
  void each(std::uint64_t cookie, const std::function<bool(const ListedEntry&)>& each) const;
  std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    std::uint64_t ino;
    std::uint64_t cookie;
    std::size_t name_at;
    std::uint8_t name_size;
    unsigned char type;
  };
  std::string_view name_of(const Entry& entry) const {
    return std::string_view(names_).substr(entry.name_at, entry.name_size);
  }

  std::string names_;  // one after another: a hundred thousand names, one allocation
  std::vector<Entry> entries_;  // by cookie
  std::uint64_t last_cookie_ = 0;
};

}  // namespace acetate::fs
