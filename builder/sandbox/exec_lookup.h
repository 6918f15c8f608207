// Whether a command can be executed in a root, found out before a runtime is asked: it says so in words of its
// own and with any exit code, and we owe 126 and 127.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

enum class Executable {
  yes,
  not_found,      // 127
  no_permission,  // 126: a directory, or no x bit
  no_interpreter, // 127: a script or program whose interpreter or loader is not there
  odd_format,     // neither a script nor ELF: 126, if the kernel has no handler of its own for it
  unknown,        // its place is below a mount of the container: only the runtime will see
};

// argv[0] as execvp(3) in the container would find it, by the PATH in spec.env and spec.cwd. What is found, its loader and its C
// library begin to be read.
Executable look_up_executable(FdRef root, const Spec& spec);

// What argv[0] may mean, by the PATH in spec.env: the paths that execvp(3) tries, one after another. What does not begin with '/' is of spec.cwd.
std::vector<std::string> command_candidates(const Spec& spec);

// PATH where an image sets none, as docker and podman have it.
inline constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace acetate::sandbox
