// What ADD fetches: a URL or a git repository, as sources of the copy.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "builder/copy_source.h"

namespace acetate::build {

// What a remote is known to be without asking for it, as a source without entries; nothing where that has to be seen: an http URL without
// a checksum, a git reference that is no commit's full name.
std::optional<Source> pinned_source(const CopyStep::Remote& remote);

// Fetches into `dir`, an empty directory that outlives what is returned.
Result<std::vector<Source>> remote_sources(const CopyStep& step, const CopyStep::Remote& remote, const std::string& dir);

}  // namespace acetate::build
