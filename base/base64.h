// Base64 (RFC 4648 §4), as credential files and HTTP's Basic scheme have it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace acetate {

std::string base64_encode(std::string_view bytes);
// Padding may be missing. EINVAL bare for what is no Base64.
Result<std::string> base64_decode(std::string_view text);

}  // namespace acetate
