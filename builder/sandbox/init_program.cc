#include "builder/sandbox/init_program.h"

#include "base/sys/process.h"
#include "base/sys/self.h"

namespace acetate::sandbox {

Result<std::string> find_init_program() {
  auto beside = sys::find_beside_us({"/../libexec/acetate/acetate-init", "/../builder/sandbox/init/acetate-init", "/acetate-init",
                                     "/../../../builder/sandbox/init/acetate-init"});  // the last: a test in a build tree
  if (beside || !beside.error().is(ENOENT)) return beside;
  auto found = sys::find_program("acetate-init");
  if (!found) return fail(ENOENT, "acetate-init, which --init needs, was found neither beside this program nor in PATH");
  return found;
}

}  // namespace acetate::sandbox
