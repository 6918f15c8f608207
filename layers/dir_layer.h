// A directory as a layer: extracted images, podman's stores, uppers of other overlays.
#pragma once

#include <string>

#include "layers/layer.h"

namespace acetate {

// Reads a directory tree in every dialect of whiteout and opacity (see layers/whiteout.h) and with
// override_stat honoured where the root shows it. `root` is any descriptor of the directory, O_PATH too. The
// tree must not change while the layer lives.
//
// Cost: a directory's names are read once, at its first lookup or listing; after that an absent name costs no
// system call and a present one a single statx. Descriptors are kept in a least-recently-used cache bounded
// by the process's limit.
Result<LayerPtr> open_dir_layer(Fd root);

}  // namespace acetate
