// What ADD fetches: a URL or a git repository, as sources of the copy.
#pragma once

#include <string>

#include "base/result.h"
#include "builder/copy_source.h"

namespace acetate::build {

// Fetches into `dir`, an empty directory that outlives what is returned.
Result<std::vector<Source>> remote_sources(const CopyStep& step, const CopyStep::Remote& remote, const std::string& dir);

}  // namespace acetate::build
