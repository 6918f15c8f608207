// A git repository's files, by the program git.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "builder/git_ref.h"

namespace acetate::build {

struct GitTree {
  std::string dir;     // the files; below `subdir` of the repository
  std::string commit;  // in full
  std::int64_t time = 0;  // when it was committed
};

// Fetches into `dir`, which is made. Without .git unless `keep_git_dir`. ENOENT with words when git is not installed, or
// the reference or subdirectory is not there; EBADMSG with words when the commit is not the one of the checksum. A
// subdirectory is never reached through a symlink. Asks for no password, and tells none.
Result<GitTree> fetch_git(const GitRef& git, const std::string& dir, bool keep_git_dir);

}  // namespace acetate::build
