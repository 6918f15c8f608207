// Whether two answers of stat(2) are of one object.
#pragma once

#include <sys/stat.h>

namespace acetate::sys {

// As long as one of the two is kept from going: a number that is free is given to the next.
inline bool is_same_file(const struct stat& one, const struct stat& other) noexcept { return one.st_dev == other.st_dev && one.st_ino == other.st_ino; }

}  // namespace acetate::sys
