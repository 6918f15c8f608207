// Whether a file is a tarball that ADD unpacks, and its tree if so.
#pragma once

#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "builder/stage_state.h"

namespace acetate::build {

// Told by content, as docker does: a tar header at the beginning of what gzip, zstd, xz or bzip2 unpacks to, or of the file
// itself. Nothing for anything else. `file` is regular and open for reading; its tree is that of this very file, whatever its name
// stands for by then. EINVAL and ENOENT, with words, for what means something in a layer alone: deleted files, and hard links to files that it does not hold.
Result<std::optional<LayerPtr>> open_tarball(Fd file, LayerOpener& layers);

}  // namespace acetate::build
