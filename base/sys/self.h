// The running program: what was installed beside it, or lies beside it in a build tree; becoming another one.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "base/result.h"

namespace acetate::sys {

// The first of `places`, each relative to the directory of the running program and beginning with a '/', at which there is a
// regular file of ours, of root's or of the running program's owner, which not everybody may write (who copies a program to /tmp would start what
// others lay beside it); absolute. ENOENT bare when there is none.
Result<std::string> find_beside_us(std::initializer_list<const char*> places);

// A helper of ours that people do not start themselves: in libexec, beside us, at one of `in_build_tree` (as above), or in PATH. ENOENT
// with words when it is nowhere.
Result<std::string> find_helper(const std::string& name, std::initializer_list<const char*> in_build_tree);

// This process goes on as `program`, with our environment and what of our descriptors is not close-on-exec. Returns only when that fails.
Error become(const std::string& program, const std::vector<std::string>& arguments);

}  // namespace acetate::sys
