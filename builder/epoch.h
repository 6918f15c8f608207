// SOURCE_DATE_EPOCH, in every form that BuildKit takes it: the time that nothing of a build is newer than.
//
//   1700000000   seconds since 1970
//   context      the time of the build context
//   NAME         that of a --build-context, or of what the one ADD of a stage FROM scratch fetches
//
// The time of a git repository is its commit's; of a URL, what the server says (Last-Modified), else the newest in the
// tarball. A directory has none: its times are those of a checkout. Then times are logical, as without an epoch.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "builder/build.h"
#include "builder/dockerfile/ast.h"
#include "builder/stage_state.h"

namespace acetate::build {

// Sets `options.times` by `options.epoch`, else by the Dockerfile's own "ARG SOURCE_DATE_EPOCH=…" before its first FROM, and
// the build argument to the seconds that were found, as steps see it. Fetches what it must. EINVAL with words, line and caret for a
// value that means nothing. `context_time`: of the build context, if it has one.
Result<void> settle_epoch(BuildOptions& options, const dockerfile::Dockerfile& file, std::optional<std::int64_t> context_time,
                          LayerOpener& layers);

}  // namespace acetate::build
