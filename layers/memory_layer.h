// A layer from a list in memory: `FROM scratch`, generated files, tests.
#pragma once

#include <string>
#include <vector>

#include "layers/layer.h"

namespace acetate {

struct MemoryEntry {
  std::string path;  // "a/b"; parents that are not listed exist as 0755 root directories
  Attr attr = {};    // mode with type; size, ino and nlink are filled in
  std::string content = {};    // a file's bytes, a symlink's or external hard link's target
  Marker marker = Marker::none;
  std::vector<Xattr> xattrs = {};
  std::string hardlink_to = {};  // the path of an earlier entry that this is another name of
};

// Convenient ways to say one.
MemoryEntry memory_file(std::string path, std::string content, mode_t mode = 0644);
MemoryEntry memory_dir(std::string path, mode_t mode = 0755);
MemoryEntry memory_symlink(std::string path, std::string target);
MemoryEntry memory_whiteout(std::string path);

// EINVAL with words for a path that is none or whose parent is no directory; later entries win.
Result<LayerPtr> make_memory_layer(std::vector<MemoryEntry> entries);

}  // namespace acetate
