// A layer being thought out: what will stand where, over a tree that is there already.
//
// COPY and WORKDIR write their layers this way, without mounting anything. Views of it show the tree as it will
// be, so that later sources of one COPY see what earlier ones put.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/rel_path.h"
#include "base/result.h"
#include "builder/copy_source.h"
#include "builder/tree_view.h"
#include "layers/delta.h"

namespace acetate::build {

struct PlannedOp {
  DeltaOp op;
  std::optional<SourceEntry> content = {};  // of a regular file
};

class DeltaPlan : public TreeView {
 public:
  explicit DeltaPlan(const TreeView& below) : below_(below) {}

  Result<std::optional<Seen>> at(const RelPath& path) const override;
  Result<std::vector<Xattr>> xattrs(const RelPath& path) const override;

  // A name that no image can have is EINVAL or ENAMETOOLONG, with words, at each of these: ".wh.NAME" is a deletion to whoever reads
  // the layer, and past 255 bytes nothing can be opened.

  // A directory and what is missing above it, with `made` as the attributes of what is made.
  Result<void> make_dirs(const RelPath& path, const Attr& made);
  // A directory with these attributes. Over a directory it changes its metadata, over anything else it takes
  // its place.
  Result<void> put_dir(const RelPath& path, const Attr& attr, const std::vector<Xattr>& xattrs);
  // Anything else, whole; what stood there is gone, a directory with everything in it.
  Result<void> put(const RelPath& path, const Attr& attr, const SourceEntry& entry);
  // Whether what stands at `path` is a file that was put there for `entry`, or for another name of it in the same layer.
  bool is_file_of(const RelPath& path, const SourceEntry& entry) const;
  // Another name of a file put before, which does not lie below `path`.
  Result<void> put_hardlink(const RelPath& path, const RelPath& to);

  bool empty() const noexcept { return ops_.empty(); }
  // Parents before children, in byte order; a hard link's target is before it in no particular order, so
  // whoever writes takes files first.
  const std::map<RelPath, PlannedOp>& ops() const noexcept { return ops_; }
  std::map<RelPath, PlannedOp>& ops() noexcept { return ops_; }

 private:
  void forget_below(const RelPath& path);
  void rehome_links(const RelPath& path);
  Result<void> show_parents(const RelPath& path);

  const TreeView& below_;
  std::map<RelPath, PlannedOp> ops_;
  std::size_t hardlinks_ = 0;  // ever put; 0 saves looking for them
};

}  // namespace acetate::build
