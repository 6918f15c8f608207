// Copying file data the cheapest way the two file systems allow: reflink, copy_file_range, read and write;
// holes stay holes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

// Copies `length` bytes at `offset` of `from` to the same place of `to` (both open, `to` for writing, and at
// least as long as what is written to it). A source that ends early (it shrank) stops the copy without error;
// the return value is how far it got. Holes of the source are skipped, so `to` must read as zeroes there
// already. `keep_going`, if set, is asked between chunks of at most 8 MiB; false makes it stop with EINTR.
Result<std::uint64_t> copy_range(FdRef from, std::uint64_t from_offset, FdRef to, std::uint64_t to_offset,
                                 std::uint64_t length, const std::function<bool()>& keep_going = {});

// The same of what is known to be data: holes are not looked for.
Result<std::uint64_t> copy_bytes(FdRef from, std::uint64_t from_offset, FdRef to, std::uint64_t to_offset, std::uint64_t length);

// A whole file into an empty one: reflink first, else copy_range; `to` ends with the size of `from`.
Result<void> copy_file(FdRef from, FdRef to, const std::function<bool()>& keep_going = {});

// copy_file_range(2) itself, once: 0 at the end of `from`. EXDEV, EOPNOTSUPP, EINVAL where it cannot be done.
Result<std::size_t> copy_file_range(FdRef from, std::uint64_t from_offset, FdRef to, std::uint64_t to_offset,
                                    std::size_t length);

}  // namespace acetate::sys
