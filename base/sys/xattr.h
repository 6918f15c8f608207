// Extended attributes by descriptor, O_PATH ones and those of symlinks included (through /proc/self/fd).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

// ENODATA where there is none; ENOTSUP where the file system has no xattrs.
Result<std::string> get_xattr(FdRef fd, const char* name);
// Of an entry, without opening it; a symlink's own.
Result<std::string> get_xattr(FileAt at, const char* name);
// flags: XATTR_CREATE, XATTR_REPLACE.
Result<void> set_xattr(FdRef fd, const char* name, std::string_view value, int flags = 0);
Result<void> remove_xattr(FdRef fd, const char* name);
// Names, in the file system's order. A file system without xattrs has none: that is an empty list, no error.
Result<std::vector<std::string>> list_xattrs(FdRef fd);
Result<std::vector<std::string>> list_xattrs(FileAt at);

}  // namespace acetate::sys
