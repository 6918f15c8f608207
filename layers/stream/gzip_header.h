// The header of a gzip member (RFC 1952 §2.3).
#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"
#include "layers/stream/packed_reader.h"

namespace acetate {

enum class GzipNext {
  member,   // a member begins
  nothing,  // the end, or bytes that are no member
  cut_off,  // the first byte or two of a member, and then the end
};
// What the bytes ahead are; two are looked at.
Result<GzipNext> next_gzip(PackedReader& packed);

// Moves past the header: optional fields of any length are skipped, the header's own checksum is checked.
// EBADMSG with words; ENODATA bare when the bytes end inside it.
Result<void> skip_gzip_header(PackedReader& packed);

}  // namespace acetate
