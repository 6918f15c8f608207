// One file of a build context. Whoever made the context is not trusted with our files: no symlink leads out of it, whoever renames
// meanwhile, and what is no regular file is not opened, which may block or act.
#pragma once

#include <optional>
#include <string>

#include "base/fd.h"
#include "base/rel_path.h"
#include "base/result.h"
#include "base/sys/open.h"

namespace acetate::build {

// Open for reading. ENOENT, ENOTDIR and ELOOP are ordinary; EINVAL with words for a directory, a FIFO, a device.
Result<Fd> open_context_file(const std::string& dir, const RelPath& path, sys::Symlinks symlinks = sys::Symlinks::refuse);

// The whole of it; symlinks are followed as a process would whose root the context is. Nothing when it is not there.
Result<std::optional<std::string>> read_context_file(const std::string& dir, const RelPath& path, std::size_t limit);

}  // namespace acetate::build
