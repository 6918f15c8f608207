// A tree asked by whole path, and paths resolved in it the way a process chrooted there would see them.
//
// What COPY and WORKDIR need of a root file system: they never mount one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/rel_path.h"
#include "base/result.h"
#include "layers/layer.h"

namespace acetate::build {

// What stands at a path.
struct Seen {
  Attr attr;
  std::string target = {};  // of a symlink
};

class TreeView {
 public:
  virtual ~TreeView() = default;
  // Nothing when there is nothing, also when something on the way is no directory. Does not follow symlinks.
  virtual Result<std::optional<Seen>> at(const RelPath& path) const = 0;
  // Of what stands there.
  virtual Result<std::vector<Xattr>> xattrs(const RelPath& path) const = 0;
};

// A layer as a view.
class LayerView : public TreeView {
 public:
  explicit LayerView(const Layer& layer) : layer_(layer) {}
  Result<std::optional<Seen>> at(const RelPath& path) const override;
  Result<std::vector<Xattr>> xattrs(const RelPath& path) const override;

 private:
  const Layer& layer_;
};

// Only the directories of another view: what is merged onto it, and not written into it, takes the place of all else.
class DirectoriesOnly : public TreeView {
 public:
  explicit DirectoriesOnly(const TreeView& below) : below_(below) {}
  Result<std::optional<Seen>> at(const RelPath& path) const override;
  Result<std::vector<Xattr>> xattrs(const RelPath& path) const override { return below_.xattrs(path); }

 private:
  const TreeView& below_;
};

// A path with every symlink resolved. Where something is missing, the rest is kept as written, and `seen` is
// empty.
struct Resolved {
  RelPath path;
  std::optional<Seen> seen;
};

enum class LastLink { follow, keep };

// "/" and ".." mean the root of the tree. ELOOP with words past 40 links, ENOTDIR with words where something on
// the way is no directory.
Result<Resolved> resolve(const TreeView& view, std::string_view path, LastLink last);

// The first `limit` bytes of a regular file in a layer, symlinks followed; nothing when it is not there.
Result<std::optional<std::string>> read_file_in(const Layer& layer, std::string_view path, std::size_t limit);

}  // namespace acetate::build
