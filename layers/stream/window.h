// Windows of checkpoints, packed: the up to 32 KiB of plain bytes a deflate stream may refer back to.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"

namespace acetate {

// How far back a deflate stream can refer (RFC 1951 §3.2.5).
inline constexpr std::size_t kWindowBytes = 32768;

// One zstd frame (level 1, content size recorded, no checksum: spans are verified by digest). `window` is at
// most kWindowBytes. Never empty, even for an empty window: an empty packed window means "none".
std::vector<std::byte> pack_window(std::span<const std::byte> window);

// EBADMSG with words when the bytes are no packed window. Safe for any bytes; yields at most kWindowBytes.
Result<std::vector<std::byte>> unpack_window(std::span<const std::byte> packed);

}  // namespace acetate
