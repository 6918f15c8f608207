// The FUSE side of an additional layer store: requests to LayerStoreTree and back.
//
// What is inside a layer never changes and is cached by the kernel for ever; references and digests are looked up anew when
// they were not there. Nothing can be written. Whoever uses the store says so by making "use" below a layer, and by removing
// the layer's directory when it needs it no more; both are ENOENT, which stands for "noted" (containers/storage,
// notifyUseAdditionalLayer()). Layers stay open until the store is unmounted.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "fs/fuse/layer_store/tree.h"

namespace acetate::fs {

// Mounts the tree at `mountpoint` and serves it until it is unmounted or a signal ends it (then it unmounts). `ready` is
// called once the mount answers. Errors with words.
Result<void> serve_layer_store(LayerStoreTree& tree, const std::string& mountpoint, const std::vector<std::string>& options,
                               const std::function<Result<void>()>& ready);

}  // namespace acetate::fs
