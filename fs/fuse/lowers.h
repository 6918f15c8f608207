// The lower layers of a mount, opened as the command line names them, and what reading them has cost.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "layers/layer.h"
#include "layers/layer_spec.h"
#include "layers/open_stack.h"
#include "layers/xattr_search.h"

namespace acetate::fs {

struct Lowers {
  LayerPtr tree;                         // all of them as one
  OpenedStack stack;                     // keeps its tree, and what is made beside it
  bool is_lazy = false;                  // bytes of some layer are still far away
  std::shared_ptr<const Fd> top;         // the topmost, a directory or the file it is in; null where that cannot be opened (yet)
  std::vector<std::string> directories;  // those that are directories: they must not overlap with the rest of the mount

  // Whether anything in them has extended attributes. Null where a tarball is known to have some, or a directory cannot be searched. To be asked for right
  // after open_lowers(), while its names still mean the same.
  std::unique_ptr<XattrSearch> search_xattrs() const;

  // A line for each tarball in the log (info): how much of it was decoded, of how much.
  void log_reads() const;

  struct Tarball {
    std::string path;
    DecodedSourcePtr bytes;
    std::uint64_t size = 0;  // uncompressed
  };
  std::vector<Tarball> tarballs;
  std::vector<LayerPtr> directory_layers;  // of `directories`
  bool tarballs_may_have_xattrs = false;
};

// Each element by layers/layer_spec.h, top first, with whose marks its directories are followed. Errors name the element.
Result<Lowers> open_lowers(const std::vector<std::string>& elements, FollowMarks follow);

}  // namespace acetate::fs
