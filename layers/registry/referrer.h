// Manifests that refer to another by `subject`: signatures, SBOMs, indexes (distribution-spec, "Pushing
// Manifests with Subject").
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "layers/image/manifest.h"

namespace acetate::registry {

// The digest of the manifest's subject; nothing when it has none, or one of an algorithm we do not know.
std::optional<Digest> subject_of(const nlohmann::json& manifest);

// What an index of referrers says of it: its own artifactType, else its config's media type, and its
// annotations.
image::IndexEntry referrer_entry(const image::Descriptor& descriptor, const nlohmann::json& manifest);

}  // namespace acetate::registry
