// Small images put into a store by hand, and what a test asks of a store.
#pragma once

#include <string>
#include <vector>

#include "layers/image/image_store.h"

namespace acetate::test {

struct SampleImage {
  image::Descriptor manifest, config;
  std::vector<image::Descriptor> layers;
};

// An image for linux/ARCHITECTURE whose layers are those bytes. No name yet. Ends the program on failure, as
// all here.
SampleImage put_sample(image::ImageStore& store, const std::vector<std::string>& layers,
                       const std::string& architecture = "amd64",
                       Digest::Algorithm algorithm = Digest::Algorithm::sha256);
// An index of such images, for amd64 and arm64, each with a layer of its own.
image::Descriptor put_sample_index(image::ImageStore& store, std::vector<SampleImage>& images);

std::unique_ptr<image::ImageStore> open_store(const std::string& dir);
image::Reference reference(const std::string& text);
image::Platform platform(const std::string& architecture);

}  // namespace acetate::test
