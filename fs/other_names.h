// OtherNames: the names of hard links of the upper beside the one that is the inode's place.
//
// An inode whose place is unlinked is reached by its descriptor alone, which then must stay open. With another name at hand
// it settles there instead: removing one of two trees of hard links would else pin a descriptor for every file.
//
// What is known here are names that somebody made or looked up. Names change only while their directory's are held, and
// each change goes through here, so that what is kept is right.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "fs/inode.h"

namespace acetate::fs {

// Thread-safe; its mutex is a leaf but for Inode's, which comes after it.
class OtherNames {
 public:
  enum class Was : std::uint8_t { unknown, place, other };

  // A name of the inode: its place if it has none, else one more of the others. The directory's names are held, shared at least.
  void add(Inode& inode, Inode& dir, std::string_view name);
  // Whether add() would change nothing.
  bool knows(Inode& inode, const Inode& dir, std::string_view name);
  // One of the others, whichever.
  struct Other {
    InodeRef dir;
    std::string name;
    bool is(const Inode& at_dir, std::string_view at_name) const { return dir.get() == &at_dir && name == at_name; }
  };
  std::optional<Other> any(Inode& inode);
  // The name is about to go. One of the others is forgotten; the place is left to the caller. Undone by add().
  Was take(Inode& inode, const Inode& dir, std::string_view name);
  // An inode without a place settles at another of its names. False when none is known.
  bool settle_elsewhere(Inode& inode);
  // It is going away.
  void forget(Inode& inode) noexcept;

 private:
  Mutex mutex_;
  std::unordered_map<const Inode*, std::vector<Other>> others_ GUARDED_BY(mutex_);
};

}  // namespace acetate::fs
