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

// "name", "uid", "name:group", "uid:gid". Without a group: --chown gives a number to the group of that number,
// a name to its primary group. ENOENT with words for names the files do not know.
Result<Ids> resolve_owner(const Layer& root, std::string_view text);

// The same on the texts of the files. Pure.
Result<Ids> resolve_owner_in(std::string_view passwd, std::string_view group, std::string_view text);

}  // namespace acetate::build
