// Whether a file of the context is a tarball that ADD unpacks, and its tree if so.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "builder/stage_state.h"

namespace acetate::build {

// Told by content, as docker does: a tar header at the beginning of what gzip, zstd, xz or bzip2 unpacks to, or of the file
// itself. Nothing for anything else.
Result<std::optional<LayerPtr>> open_tarball(const std::string& path, LayerOpener& layers);

}  // namespace acetate::build
