// Manifests that refer to another by `subject`: signatures, SBOMs, indexes (distribution-spec, "Pushing
// Manifests with Subject").
#pragma once

#include <optional>

#include "layers/image/json.h"
#include "layers/image/manifest.h"

namespace acetate::registry {

// The digest of the manifest's subject; nothing when it has none, or one of an algorithm we do not know.
std::optional<Digest> subject_of(const image::Json& manifest);

// What an index of referrers says of it: its own artifactType, else its config's media type, and its
// annotations.
image::IndexEntry referrer_entry(const image::Descriptor& descriptor, const image::Json& manifest);

}  // namespace acetate::registry
