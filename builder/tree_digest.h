// One digest for all that a process can see in a stage's tree, whatever layers it is made of: names, types, modes, owners,
// contents, links, attributes. No times (nor those that compiled Python notes of its sources, bytecode.h), and not where one layer ends and the next begins: so that a base image which was built
// anew and came out the same is the same.
//
// A layer above changes it by as much as that layer has: of the layers below, wherever they are many names, a digest of each directory is
// kept.
//
//   DIR/contents/<sha256>.tree   of such layers, by what they are; a file that is damaged is made anew
#pragma once

#include <stop_token>

#include "base/digest.h"
#include "base/result.h"
#include "builder/cache.h"
#include "builder/stage_state.h"

namespace acetate::build {

// Takes as long as reading every file of a layer that was never asked about before, and no longer than walking the directories that the
// layers above what is kept have something in, when all were. Thread-safe. ECANCELED soon after `stop` is requested.
Result<Digest> tree_digest(const StageState& state, LayerOpener& layers, Cache& cache, const std::stop_token& stop = {});

}  // namespace acetate::build
