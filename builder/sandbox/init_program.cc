#include "builder/sandbox/init_program.h"

#include "base/sys/file.h"
#include "base/sys/process.h"

namespace acetate::sandbox {

Result<std::string> find_init_program() {
  const std::string self = TRY_WITHIN(sys::readlink(FileAt{kWorkingDir, "/proc/self/exe"}), "finding this program");
  const std::string dir = self.substr(0, self.rfind('/'));
  for (const char* place : {"/../libexec/acetate/acetate-init", "/../builder/sandbox/init/acetate-init", "/acetate-init",
                            "/../../../builder/sandbox/init/acetate-init"})  // the last: a test in a build tree
    if (auto st = sys::stat_following(dir + place); st && S_ISREG(st->st_mode)) return dir + place;
  auto found = sys::find_program("acetate-init");
  if (!found) return fail(ENOENT, "acetate-init, which --init needs, was found neither beside this program nor in PATH");
  return found;
}

}  // namespace acetate::sandbox
