// The named volumes there are: listed, and removed while nobody is in them.
#pragma once

#include <ctime>
#include <string>
#include <vector>

#include "base/result.h"

namespace acetate::cli {

struct StoredVolume {
  std::string name, dir;
  std::time_t created = 0;  // of its directory, or when that was last changed where its birth is not kept
  bool in_use = false;      // a container that runs has it
};

// By name. `volumes`: the directory of them all, which need not be there.
Result<std::vector<StoredVolume>> list_volumes(const std::string& volumes);
// ENOENT with words when there is none.
Result<StoredVolume> find_volume(const std::string& volumes, const std::string& name);

// With all that is in it, also what an interrupted removal left. Inside the holder, where files of other ids can be removed. ENOENT with words when there is none, EBUSY while somebody
// is in it. It has lost its name before anything in it is gone, so that who wants one of that name meanwhile gets a new one.
Result<void> remove_volume(const std::string& volumes, const std::string& name);

}  // namespace acetate::cli
