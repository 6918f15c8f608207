// Whether two layers of ours are the same but for the time that their steps had (builder/clock.h). A step with another place in its Dockerfile has another time, and what it
// wrote carries that: no difference to whoever asks whether a command is a function of its files. Neither are the times of directories, which a recorded step does not see.
#pragma once

#include "base/result.h"
#include "builder/cache.h"

namespace acetate::build {

// True too where neither made a layer. The layers lie where Cache::layer_path() has them; other errors than those of reading them are none.
Result<bool> same_but_for_step_times(const Record& one, const Record& other, const Cache& cache);

}  // namespace acetate::build
