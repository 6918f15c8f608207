// What was installed beside the running program, or lies beside it in a build tree.
#pragma once

#include <initializer_list>
#include <string>

#include "base/result.h"

namespace acetate::sys {

// The first of `places`, each relative to the directory of the running program and beginning with a '/', at which there is a
// regular file; absolute. ENOENT bare when there is none.
Result<std::string> find_beside_us(std::initializer_list<const char*> places);

}  // namespace acetate::sys
