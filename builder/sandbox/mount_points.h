// The places in a root where the runtime will mount something: made by us beforehand, because a runtime that
// makes them can be led astray by the image's symlinks, and taken away afterwards, because they are not the
// container's doing and must not end up in a layer.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/rel_path.h"
#include "base/result.h"

namespace acetate::sandbox {

// for_all: a directory of mode 1777, as a tmpfs is where nobody says otherwise: runc gives one the mode of what it lies on.
enum class PointKind { directory, for_all, file };

class MountPoints {
 public:
  // `root` must stay open as long as the object.
  explicit MountPoints(FdRef root) : root_(root) {}
  MountPoints(const MountPoints&) = delete;
  MountPoints& operator=(const MountPoints&) = delete;
  ~MountPoints() { remove_untouched(); }

  // Where `target` leads in the root, made of that kind (with parents) if nothing is there; absolute, without a
  // symlink. ENOTDIR or EISDIR with words when something of the other kind is.
  Result<std::string> prepare(const std::string& target, PointKind kind);
  // A directory that must not be reached through a symlink: /dev, /proc, /sys. EINVAL with words when the
  // image has something else there.
  Result<void> prepare_fixed(const std::string& name);
  // Makes a directory, with parents, that stays.
  Result<std::string> make_directory(const std::string& path);

  // Removes what was made and is still as it was made, and gives the parents their times back. What cannot be removed, and is not the
  // container's, is warned of.
  void remove_untouched();

 private:
  struct Made {
    RelPath path;
    // Held, since the kernel's overlay numbers a directory anew when it has forgotten it for want of memory, and what is removed gives its
    // number to what is made next: only of what is held does the number say that it is the same.
    Fd itself;
    timespec parent_before[2];  // access and modification
    timespec parent_after;      // modification, our making it included
  };
  Result<void> make(const RelPath& path, PointKind kind, bool keep);
  Result<std::string> place(const std::string& target, PointKind kind, bool keep);
  FdRef root_;
  std::vector<Made> made_;
};

}  // namespace acetate::sandbox
