#include "base/sys/self.h"

#include "base/sys/file.h"

namespace acetate::sys {

Result<std::string> find_beside_us(std::initializer_list<const char*> places) {
  const std::string self = TRY_WITHIN(readlink(FileAt{kWorkingDir, "/proc/self/exe"}), "finding the running program");
  const std::string dir = self.substr(0, self.rfind('/'));
  for (const char* place : places)
    if (auto st = stat_following(dir + place); st && S_ISREG(st->st_mode)) return dir + place;
  return Error(ENOENT);
}

}  // namespace acetate::sys
