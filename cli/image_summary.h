// What lists say of a stored image, whatever platform it is for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "layers/image/image_store.h"

namespace acetate::cli {

struct ImageSummary {
  image::StoredImage stored;
  Digest id;                           // of the config: what `docker images` shows; of an artifact, its manifest's
  Digest manifest;                     // the one that was looked at
  std::optional<image::Config> config = {};  // of an image
  std::string artifact_type = {};      // of an artifact
  std::vector<image::Platform> platforms = {};  // that are here
  std::vector<Digest> digests = {};    // of every manifest and config that is here
  std::uint64_t size = 0;              // of every blob that is here
  std::string problem = {};            // what is wrong with a damaged image
  bool is_lazy = false;                // not all of it is here yet; `size` counts what it will have
};

// Of an index the image for `preferred` is described, else the first that is here. What is damaged is described as
// far as it can be read: a list must not end at it.
ImageSummary summarise(const image::ImageStore& store, const image::StoredImage& stored,
                       const image::Platform& preferred);
// The same of one whose blobs are elsewhere.
ImageSummary summarise(const image::ImageFiles& files, const image::StoredImage& stored,
                       const image::Platform& preferred);

// By what people know an image: the digest of its config, as its manifest names that. Nothing of what has no config.
std::optional<Digest> id_of(const image::Image& image);

}  // namespace acetate::cli
