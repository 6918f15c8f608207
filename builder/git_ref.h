// A git repository named as ADD and build contexts name one:
//   https://host/path.git[#REF[:SUBDIR]]   with ?ref=, tag=, branch=, subdir=, checksum=, keep-git-dir=, submodules=
//   git://…   ssh://…   git@host:path
// The query may say mtime=checkout or mtime=commit, and fetch-by-commit=true, too.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace acetate::build {

struct GitRef {
  std::string remote;         // what git is given
  std::string ref = {};       // "" is the remote's HEAD
  std::string subdir = {};
  std::string checksum = {};  // a commit, or its beginning
  std::optional<bool> keep_git_dir = {};
  bool submodules = true;
  bool commit_times = false;  // what ADD makes of the files is as old as the commit
  bool by_commit = false;     // the checksum, a whole commit's name, is what is asked for, wherever `ref` has gone
};

// Nothing for what is no git repository: an http URL counts as one when its path ends with .git. EINVAL with words for a
// query that makes no sense.
Result<std::optional<GitRef>> parse_git_ref(std::string_view text);

// Whether it is a commit's full name, by SHA-1 or SHA-256.
bool is_commit(std::string_view text);

// A checksum of ADD --checksum: a commit's name or the beginning of one, in hexadecimal digits. EINVAL with words.
Result<void> check_commit(std::string_view checksum);

}  // namespace acetate::build
