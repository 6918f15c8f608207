// xxh3: for detecting corruption and for hash tables. It proves nothing about who made the bytes and is never
// part of a cache key; for that there is Digest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace acetate {

std::uint64_t xxh3(std::span<const std::byte> bytes, std::uint64_t seed = 0) noexcept;
inline std::uint64_t xxh3(std::string_view text, std::uint64_t seed = 0) noexcept {
  return xxh3(std::as_bytes(std::span(text.data(), text.size())), seed);
}

}  // namespace acetate
