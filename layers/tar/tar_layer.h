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
struct TarLayerOptions {
  // Bytes come from far away: programs and libraries (ELF) are brought here whole when they are opened, since a page of a
  // mapping that cannot be had kills the process, and an open that fails is an error like others.
  bool programs_whole_at_open = false;
};
LayerPtr make_tar_layer(LayerIndexPtr index, SourcePtr plain, TarLayerOptions options = {});

}  // namespace acetate
