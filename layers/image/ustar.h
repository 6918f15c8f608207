// A ustar header (POSIX.1-2017, pax "ustar Interchange Format"), enough for archives whose names we make up: those of blobs named by
// SHA-512 alone are longer than it has room for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace acetate::image {

// Owner 0:0, time 0, mode 0644 or 0755. Sizes from 8 GiB on are written in base 256, as GNU tar does and
// every reader of archives knows. Of a name that has more than kMostName bytes the header has the beginning, and long_name() comes first.
inline constexpr std::size_t kMostName = 100;
std::array<std::byte, 512> ustar_file(std::string_view name, std::uint64_t size);
std::array<std::byte, 512> ustar_dir(std::string_view name);  // the name ends with '/'
// What stands before the header of a file with a long name: an extended header ("pax Interchange Format") that tells it, in blocks of 512.
std::string long_name(std::string_view name);

}  // namespace acetate::image
