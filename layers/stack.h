// Many layers as one layer: the only code that applies whiteouts to a lower.
#pragma once

#include <vector>

#include "base/rel_path.h"
#include "layers/layer.h"

namespace acetate {

// The first is on top. No marker ever comes out of it. Hard links to a lower layer's file are resolved here.
// A merged directory's list of contributing (layer, node) pairs is computed once, at its first visit, and
// never depends on the order of visits. With one layer: that layer's tree, markers applied. With none: an
// empty root directory.
//
// Attr::ino: the layers' own where all lie on one device, else made unique by the layer's position.
Result<LayerPtr> make_stack(std::vector<LayerPtr> top_to_bottom);

// The node at a path of the whole tree, not following symlinks; held. ENOENT, ENOTDIR.
Result<Entry> walk(const Layer& layer, const RelPath& path);

}  // namespace acetate
