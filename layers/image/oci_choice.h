// Which image of a layout is meant: by name among the entries of index.json, then by platform through indexes
// inside indexes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layers/image/image_files.h"
#include "layers/image/manifest.h"

namespace acetate::image {

// Whether an entry of an index is an image, or an index of such: attestations and other artifacts travel beside the images they are about.
bool is_image(const IndexEntry& entry);
// How well it serves a platform, less is better; nothing when it is for another. One that does not say fits nobody in particular: the
// last choice.
std::optional<int> fitness(const IndexEntry& entry, const Platform& platform);

// A manifest that was read and verified, and what it was found by.
struct ChosenManifest {
  Manifest manifest;
  Descriptor descriptor;
  bool platform_was_matched = false;  // by an index; otherwise only the config knows
};

// The entries of index.json that are meant: several when each is for a platform of its own. `reference` as in
// read_oci_image().
Result<std::vector<IndexEntry>> find_entries(const ImageFiles& files, const Index& top,
                                             const std::optional<std::string>& reference);

// The manifest below them that serves the platform best, among those that are there.
Result<ChosenManifest> choose_manifest(const ImageFiles& files, const std::vector<IndexEntry>& entries,
                                       const Platform& platform);

}  // namespace acetate::image
