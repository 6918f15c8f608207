// --squash: the layers that a build made as one, on the layers of the image it began with.
#pragma once

#include "base/result.h"
#include "builder/cache.h"
#include "builder/stage_state.h"

namespace acetate::build {

// The same tree and configuration with at most one layer above the base's. What a later step removed or changed again is not in it;
// the history keeps every step, and says of this build's that they made no layer of their own. The same layers give the same bytes.
Result<StageState> squash(StageState state, LayerOpener& layers, Cache& cache);

}  // namespace acetate::build
