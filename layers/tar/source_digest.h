// The digest of all bytes of a source, read once in order.
#pragma once

#include "base/digest.h"
#include "base/result.h"
#include "layers/stream/source.h"

namespace acetate {

Result<Digest> digest_of(const ByteSource& source, Digest::Algorithm algorithm = Digest::Algorithm::sha256);

}  // namespace acetate
