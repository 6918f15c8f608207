// What an image may be called that is made or named here.
#pragma once

#include <string_view>

#include "base/result.h"
#include "layers/image/reference.h"

namespace acetate::image {

// As parse_reference() has it, but without a digest, which follows from what the image is (EINVAL).
Result<Reference> parse_new_name(std::string_view text);

}  // namespace acetate::image
