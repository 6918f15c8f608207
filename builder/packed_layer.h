// One layer of a build as a blob of a layout, packed as asked.
#pragma once

#include "base/result.h"
#include "builder/export.h"

namespace acetate::build {

struct PackedLayer {
  image::Descriptor blob;
  Digest diff_id;  // another than the layer's where packing changes the tar (eStargz)
};

// A layer of the base keeps its bytes unless `packing.force`, or it lies there unpacked and gzip or zstd is asked for; one of this build (it lies in the cache, and its digest is
// its diff id) is packed. EBADMSG with words when its bytes are not what they are said to be.
Result<PackedLayer> put_layer(const StageLayer& layer, image::Layout& layout, const Packing& packing, Cache& cache);

}  // namespace acetate::build
