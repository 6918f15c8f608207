// A tarball as a layer, read in place by its index.
#pragma once

#include "layers/layer.h"
#include "layers/stream/source.h"
#include "layers/tar/index_store.h"

namespace acetate {

// `plain` are the bytes of the tar, unpacked or unpacked on the fly (stream/seekable.h). lookup, attr, list,
// readlink and xattrs make no system call; lookup and attr allocate nothing. Nodes cost nothing and are valid
// as long as the layer. Attr::ino is the number in the index + 1.
//
// EIO where the index turns out damaged or the bytes cannot be had; wrong bytes never.
LayerPtr make_tar_layer(LayerIndexPtr index, SourcePtr plain);

}  // namespace acetate
