// Windows of checkpoints without what nobody refers to: of the 32 KiB before a place in a deflate stream what follows uses a part, and
// zeroes in the place of the rest pack to nothing. What is decoded is the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "layers/stream/source.h"

namespace acetate {

// `window` is what lies before `packed_bit` (CheckpointView) of a gzip stream, not packed. As long as before. EBADMSG with words for a
// stream that is damaged there.
Result<std::vector<std::byte>> slim_window(const SourcePtr& packed, std::uint64_t packed_bit, std::span<const std::byte> window);

}  // namespace acetate
