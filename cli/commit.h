// Making an image of a kept container: its base's layers as they are, and one more out of its upper directory.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "builder/export.h"
#include "cli/kept.h"
#include "cli/paths.h"

namespace acetate::cli {

struct CommitRequest {
  std::string tag, message, author, dest;
  std::vector<std::string> changes;  // Dockerfile instructions
};

// In the holder. Into our own store, or to `dest`. Time grows with what was written: layers of the base that are in the
// store already are not read.
Result<build::ExportedImage> commit_kept(const Kept& kept, const CommitRequest& request, const Paths& paths);

// One instruction of --change. EINVAL with words.
Result<void> change_config(image::Config& config, const std::string& instruction);

}  // namespace acetate::cli
