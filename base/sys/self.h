// The running program: what was installed beside it, or lies beside it in a build tree; becoming another one.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "base/result.h"

namespace acetate::sys {

// The first of `places`, each relative to the directory of the running program and beginning with a '/', at which there is a
// regular file; absolute. ENOENT bare when there is none.
Result<std::string> find_beside_us(std::initializer_list<const char*> places);

// This process goes on as `program`, with our environment and what of our descriptors is not close-on-exec. Returns only when that fails.
Error become(const std::string& program, const std::vector<std::string>& arguments);

}  // namespace acetate::sys
