// The extended attributes of a tarball's entry as a user may see them.
#pragma once

#include <vector>

#include "layers/layer.h"

namespace acetate {

struct VisibleXattrs {
  std::vector<Xattr> xattrs;  // sorted by name
  bool opaque = false;        // an overlay's own attribute said so
};

// Takes out what belongs to overlays (is_private_xattr()), reads opacity from it, and takes one level of
// escape off nested overlays' names, as ovl_is_escaped_xattr() has it.
VisibleXattrs visible_xattrs(const std::vector<Xattr>& all);

}  // namespace acetate
