// The SHA-256 of a file of a layer.
#pragma once

#include "base/digest.h"
#include "base/result.h"
#include "layers/layer.h"

namespace acetate::build {

// Reads it once, in order.
Result<Digest> hash_file(const FileView& view);

}  // namespace acetate::build
