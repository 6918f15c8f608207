// Who --chown and USER mean, by the passwd and group files of the root file system; read from layers, nothing is
// mounted for it.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "base/result.h"
#include "layers/layer.h"

namespace acetate::build {

struct Ids {
  uid_t uid = 0;
  gid_t gid = 0;
};

// Names that the files do not know: ENOENT with words, as the reference of --chown has it; or a user is root, who as USER owns what WORKDIR makes in an image
// without such files (FROM scratch), and a group the user's own, as BuildKit's readUser() has it.
enum class UnknownNames { refused, are_root };

// "name", "uid", "name:group", "uid:gid". Without a group: --chown gives a number to the group of that number,
// a name to its primary group.
Result<Ids> resolve_owner(const Layer& root, std::string_view text, UnknownNames unknown);

// The same on the texts of the files. Pure.
Result<Ids> resolve_owner_in(std::string_view passwd, std::string_view group, std::string_view text, UnknownNames unknown);

}  // namespace acetate::build
