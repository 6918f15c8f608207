// What a RUN looked at in the layers below it: the paths, and what stood there. A later run of the same command on other layers
// comes to the same where every one of them is as it was.
//
// That holds as far as the daemon saw everything (layers/access_log.h) and the command is what Docker's cache takes every command
// for: a function of its files. Of a file that was looked up the type, mode, owner, size, link count and modification time count,
// of one that was opened all of the content, of a listed directory its names. Inode numbers do not, and neither do times and
// sizes of directories, which a step that is recorded does not see. Times count as they
// are: what this build's steps made on a base image that is newer is newer, and what make(1) made of it is to be made anew.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/digest.h"
#include "base/result.h"
#include "builder/cache_key.h"
#include "layers/access_log.h"
#include "layers/layer.h"

namespace acetate::build {

struct Reads {
  AccessedPaths paths;
  KeyInputs seen;  // one input a path, in their order; empty where they come from another machine
};

// Of one tree: what files in it hold, so that no two lists of paths read the same file twice.
using KnownContents = std::map<std::string, Digest, std::less<>>;

// What stands at those paths in a tree.
Result<KeyInputs> look_at(const AccessedPaths& paths, const Layer& tree, KnownContents& known);

}  // namespace acetate::build
