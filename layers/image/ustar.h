// A ustar header (POSIX.1-2017, pax "ustar Interchange Format"), enough for archives whose names we make up.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace acetate::image {

// Owner 0:0, time 0, mode 0644 or 0755. Sizes from 8 GiB on are written in base 256, as GNU tar does and
// every reader of archives knows. Precondition: the name has at most 100 bytes.
std::array<std::byte, 512> ustar_file(std::string_view name, std::uint64_t size);
std::array<std::byte, 512> ustar_dir(std::string_view name);  // the name ends with '/'

}  // namespace acetate::image
