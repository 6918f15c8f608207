// A tree that notes what is asked of it: all that COPY and WORKDIR learn about the layers below them, so that a key can be made
// of just that, and not of everything that is there.
#pragma once

#include <map>
#include <string>

#include "builder/cache_key.h"
#include "builder/tree_view.h"

namespace acetate::build {

// Not thread-safe. Of a directory the mode and owner count, of a symlink where it leads, of anything else that it is there
// and what it is: more does not find its way into a layer.
class RecordingView : public TreeView {
 public:
  explicit RecordingView(const TreeView& view) : view_(view) {}
  Result<std::optional<Seen>> at(const RelPath& path) const override;
  Result<std::vector<Xattr>> xattrs(const RelPath& path) const override;

  // One input for each path that was asked for, by name.
  void add_to(KeyInputs& inputs) const;

 private:
  const TreeView& view_;
  mutable std::map<std::string, std::string> seen_, xattrs_;
};

}  // namespace acetate::build
