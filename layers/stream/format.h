// What a layer blob is packed with, told by its first bytes and never by its name: media types and file names
// lie more often than magic numbers do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "layers/stream/source.h"

namespace acetate {

// The numbers are part of the index format: never renumber.
enum class Format : std::uint8_t {
  unknown = 0,
  plain = 1,  // a tar as it is; also no bytes at all, which is a tar without entries
  gzip = 2,   // RFC 1952
  zstd = 3,   // RFC 8878, skippable frames included
  xz = 4,
  bzip2 = 5,
};

// How much of the beginning detect_format() wants to see: one tar header.
inline constexpr std::size_t kFormatHeadBytes = 512;

// By the first bytes, as many as there are (up to kFormatHeadBytes). Pure.
Format detect_format(std::span<const std::byte> head) noexcept;
// Reads them. Fails only when reading does; `unknown` is an answer.
Result<Format> detect_format(const ByteSource& source);

// "gzip", "an uncompressed tar", … for messages.
std::string_view describe(Format format) noexcept;

}  // namespace acetate
