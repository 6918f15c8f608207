// How much a tarball may ask of us. A few kilobytes of gzip can hold millions of headers; a layer that goes
// past one of these is refused with EFBIG and words, before it fills memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace acetate {

struct TarLimits {
  // The largest public images have some hundred thousand files; this many cost about 1.5 GiB while indexing.
  std::uint64_t entries = 8'000'000;
  // One component, as every Linux file system has it (NAME_MAX).
  std::size_t name_bytes = 255;
  // A whole path; longer than PATH_MAX, because trees deeper than that can be made and packed.
  std::size_t path_bytes = 32 * 1024;
  // As the kernel has it (PATH_MAX less the NUL): no system call could have made a longer one.
  std::size_t symlink_bytes = 4095;
  // XATTR_NAME_MAX, XATTR_SIZE_MAX and XATTR_LIST_MAX of Linux.
  std::size_t xattr_name_bytes = 255;
  std::size_t xattr_value_bytes = 64 * 1024;
  std::size_t xattrs_per_entry = 1024;
  // Everything that is kept of the entries while indexing: names, targets, xattrs, sparse maps. Below 4 GiB,
  // because the pools of an index are addressed with 32 bits.
  std::uint64_t metadata_bytes = std::uint64_t{2} << 30;
};

}  // namespace acetate
