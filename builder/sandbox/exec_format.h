// What execve(2) sees at the beginning of a file: a script, a program, or neither.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sandbox {

struct ExecFormat {
  bool known = false;       // a script or ELF
  std::string interpreter;  // of a script, or the loader of a dynamic program; empty when it needs none
};
Result<ExecFormat> read_exec_format(FdRef file);

}  // namespace acetate::sandbox
