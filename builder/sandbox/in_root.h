// Paths as the container will see them, resolved before it runs: beneath its root, with its own symlinks.
//
// The image is hostile, but nothing of it runs yet: nobody renames while we walk, and every step is opened
// beneath the root without following anything.
#pragma once

#include <sys/stat.h>

#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/rel_path.h"
#include "base/result.h"

namespace acetate::sandbox {

// What will be mounted over a place of the root by the time the path is used. Later ones lie over earlier ones.
struct Covering {
  RelPath target;
  FdRef source;  // what shows there; none: something empty
};

// Where `path` leads when every symlink on the way, the last one too, is followed with `root` as "/". What does
// not exist is kept as it is written, so the answer is also where a new entry would have to be made: `missing`
// counts the components at the end that are not there. ELOOP after 40 symlinks, ENOTDIR through a file.
struct InRoot {
  RelPath path;
  std::size_t missing = 0;
};
Result<InRoot> resolve_in_root(FdRef root, std::string_view path, std::span<const Covering> coverings = {});

// What stands at a resolved path; follows nothing.
Result<struct stat> stat_in_root(FdRef root, const RelPath& path);

}  // namespace acetate::sandbox
