// An image as a stage that nothing was added to, for whoever adds to one.
#pragma once

#include "base/result.h"
#include "builder/cache.h"
#include "builder/stage_state.h"
#include "layers/image/image.h"

namespace acetate::build {

// Each layer with its digests, which are computed (and remembered in the cache) where nobody knows them. ENOTSUP with
// words when a layer is a directory.
Result<StageState> base_state(const image::Image& image, Cache& cache);

// A layer of the cache as one of a stage.
StageLayer cached_stage_layer(const CachedLayer& layer, const Cache& cache);

}  // namespace acetate::build
