// Files of caches, for which nobody waits for the disk.
#pragma once

#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

// As write_file_atomically() (base/sys/file.h), but for power cuts: after one the file may be there empty or cut short, or what stood there
// before. For what tells by itself whether it is whole, and can be made again.
Result<void> write_cache_file(FileAt at, std::string_view content, mode_t mode);

}  // namespace acetate::sys
