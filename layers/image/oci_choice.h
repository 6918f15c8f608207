// Which image of a layout is meant: by name among the entries of index.json, then by platform through indexes
// inside indexes.
#pragma once

#include <optional>
#include <string>

#include "layers/image/image_files.h"
#include "layers/image/manifest.h"

namespace acetate::image {

// A manifest that was read and verified, and what it was found by.
struct ChosenManifest {
  Manifest manifest;
  Descriptor descriptor;
  bool platform_was_matched = false;  // by an index; otherwise only the config knows
};

Result<ChosenManifest> choose_manifest(const ImageFiles& files, const Index& top,
                                       const std::optional<std::string>& reference, const Platform& platform);

}  // namespace acetate::image
