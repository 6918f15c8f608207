// The build cache inside an image: a member "acetate build cache" of its configuration, a cache.json (builder/cache_share.h) of the records
// whose layers the image has. Who has pulled such an image needs no other place to begin from.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "base/result.h"
#include "builder/cache.h"
#include "builder/stage_state.h"

namespace acetate::build {

// `config`, a configuration as JSON, with what is known by `keys` of the layers of `state`.
Result<std::string> with_inline_cache(const std::string& config, Cache& cache, const std::set<Digest>& keys, const StageState& state);

// The cache.json in a configuration; nothing where there is none. EBADMSG with words for what is no configuration.
Result<std::optional<std::string>> inline_cache_of(const std::string& config, const std::string& what);

}  // namespace acetate::build
