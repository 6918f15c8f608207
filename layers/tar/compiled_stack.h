// A stack of tarballs, compiled: one index of the merged tree, in which a name costs the same with one layer and
// with a hundred. Only names and attributes are in it; bytes, targets and xattrs are read from the layers.
//
// It is a layer index of another kind (docs/layer-index.md) and can be removed at any time.
#pragma once

#include <functional>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "layers/layer.h"
#include "layers/tar/index_store.h"

namespace acetate {

// Names the stack of just these layers, top first, each by id_of_index().
Digest id_of_stack(const std::vector<Digest>& top_to_bottom);
// Names an index: of this blob, and numbered like this.
Digest id_of_index(const IndexFacts& facts);

// The same tree as make_stack(top_to_bottom), with the same inode numbers, in the same order. Null: it is not
// compiled, or not so that it can be used. The layers must be those of `id`.
LayerPtr find_compiled_stack(const IndexStore& stacks, const Digest& id, std::vector<LayerPtr> top_to_bottom);

// Walks a stack (from make_stack(), of tar layers only) and publishes its index. `keep_going` is asked at every
// directory; false makes it ECANCELED. EINVAL for a layer that is no such stack.
Result<void> compile_stack(const IndexStore& stacks, const Digest& id, const Layer& stack,
                           const std::function<bool()>& keep_going = {});

}  // namespace acetate
