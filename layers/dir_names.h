// The names of one directory on disk, read once and decoded: sorted, in one block of memory, markers applied.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <vector>

#include "layers/dir_layer.h"
#include "layers/layer.h"
#include "layers/override_stat.h"
#include "layers/whiteout.h"

namespace acetate::dir {

// What stat(2) answers, as a layer says it. A file of another file system than the layer's root (`device`)
// gets an inode number that none of the layer's own has.
Attr attr_of(const struct statx& st, dev_t device) noexcept;

// How the tree the directory is in wants to be read; the same for all of a layer.
struct Reading {
  OverrideMode override_mode = OverrideMode::none;
  dev_t device = 0;  // of the root
  // What getdents says of inode numbers is not what stat says of them: of anything (mounts below the root, an
  // overlay underneath), or of directories (subvolumes).
  enum class Distrust { nothing, directories, everything } distrust = Distrust::nothing;
  WhiteoutFiles whiteout_files = WhiteoutFiles::marks;
};

// One statx of `at`, with override_stat put over it where the layer has that (one getxattr more, for files
// and directories). EIO with words when that is malformed.
struct Stat {
  Attr attr;
  bool stored_as_file = false;  // on disk it is a regular file, whatever attr.mode says
};
Result<Stat> stat_entry(FileAt at, const Reading& reading);

class Names {
 public:
  struct Name {
    std::uint64_t ino;
    std::uint32_t offset;
    std::uint16_t length;
    unsigned char type;
    bool whiteout;  // there is no entry, only a whiteout
    bool fresh;     // an entry with a whiteout of the same name beside it: a directory is opaque
  };

  // Reads a directory that was only just opened for reading.
  static Result<Names> read(FdRef dir, const Reading& layers_reading);

  // Of a directory that may be searched and not read: what it says of itself without its names. `dir` may be O_PATH.
  static Result<Names> unlisted(FdRef dir);
  bool is_listed() const noexcept { return listed_; }
  // One name of a directory that is not listed, asked of the directory itself; nothing where there is neither an entry nor a whiteout.
  Result<std::optional<Name>> ask(FdRef dir, const std::string& name, const Reading& reading) const;

  const Name* find(std::string_view name) const noexcept;
  const std::vector<Name>& all() const noexcept { return names_; }
  std::string_view text(const Name& name) const noexcept { return {text_.data() + name.offset, name.length}; }
  // Nothing of the layers below shows in this directory.
  bool opaque() const noexcept { return opaque_; }
  // The kernel overlay's word for "entries in here may have a redirect or be metacopies".
  bool impure() const noexcept { return impure_; }
  std::size_t bytes() const noexcept {
    return sizeof *this + names_.capacity() * sizeof(Name) + text_.capacity();
  }

 private:
  Result<Opacity> read_attributes(FdRef dir);
  void add(std::string_view name, unsigned char type, std::uint64_t ino, bool whiteout);
  void sort_and_settle();

  std::vector<Name> names_;
  std::string text_;
  bool listed_ = true;
  bool has_xattr_whiteouts_ = false;
  bool opaque_ = false;
  bool impure_ = false;
};

}  // namespace acetate::dir
