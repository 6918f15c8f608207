// What a manifest refers to, as signatures, SBOMs and indexes of layers do (image-spec manifest.md, `subject`).
#pragma once

#include <optional>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"

namespace acetate::image {

// Of a manifest's or an index's text. Nothing where it has none, or one that is no digest of an algorithm we know. EINVAL with words for what
// is no JSON.
Result<std::optional<Digest>> read_subject(std::string_view document, std::string_view what);

}  // namespace acetate::image
