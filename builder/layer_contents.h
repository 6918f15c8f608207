// What the files of one layer hold: a digest of each, made once and kept in the build cache.
//
//   DIR/contents/<sha256>   of one layer, by its diff id; a file that is damaged is made anew
#pragma once

#include <stop_token>

#include "base/result.h"
#include "builder/cache.h"
#include "builder/digest_list.h"
#include "builder/stage_state.h"

namespace acetate::build {

// Of each regular file, by its path; no digest: its bytes lie in another layer, as a hard link's may. What compiled Python says of its source's
// time (bytecode.h) is left out, where it is right. Takes as long as reading every file of a layer that was never asked about before. ECANCELED
// soon after `stop` is requested; EBADMSG as LayerOpener::open().
Result<DigestList> contents_of(const StageLayer& from, LayerOpener& layers, const Cache& cache, const std::stop_token& stop);

}  // namespace acetate::build
