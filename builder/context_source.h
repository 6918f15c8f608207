// The build context, wherever it is, as a directory to read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "builder/sandbox/scratch.h"
#include "builder/stage_state.h"

namespace acetate::build {

struct ContextDir {
  std::string dir;                                // absolute
  std::optional<std::string> dockerfile = {};     // what was given is a Dockerfile, and the directory is empty
  std::optional<std::int64_t> time = {};          // of the commit, of the URL, or the newest in the tarball; none of a directory
  std::optional<sandbox::Scratch> scratch = {};   // what had to be fetched or unpacked; gone with the object
};

// `given`: a directory; a tarball, packed or not; a git repository, also as github.com/OWNER/NAME; a URL of a tarball or a Dockerfile; "-", which reads a
// tarball or a Dockerfile from `in`. ENOENT, ENOTDIR with words.
Result<ContextDir> open_context_dir(const std::string& given, FdRef in, const std::string& build_dir, LayerOpener& layers);

}  // namespace acetate::build
