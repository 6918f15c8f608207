#include "tests/layers/registry/stored_sample.h"

#include <cstdio>
#include <cstdlib>

#include "layers/image/config.h"
#include "layers/image/manifest.h"
#include "layers/image/media_type.h"

namespace acetate::test {

namespace {

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  std::fprintf(stderr, "a sample image: %s\n", result.error().message().c_str());
  std::abort();
}

}  // namespace

image::Platform platform(const std::string& architecture) {
  return {.os = "linux", .architecture = architecture};
}

image::Reference reference(const std::string& text) { return must(image::parse_reference(text)); }

std::unique_ptr<image::ImageStore> open_store(const std::string& dir) {
  return must(image::ImageStore::open({.dir = dir}));
}

SampleImage put_sample(image::ImageStore& store, const std::vector<std::string>& layers,
                       const std::string& architecture, Digest::Algorithm algorithm) {
  SampleImage sample;
  auto config = image::empty_config(platform(architecture));
  for (const auto& bytes : layers) {
    sample.layers.push_back(must(store.put_blob(bytes, std::string(image::kOciLayer), algorithm)));
    config.diff_ids.push_back(sample.layers.back().digest);
  }
  sample.config = must(store.put_blob(must(image::to_json(config)), std::string(image::kOciConfig), algorithm));
  const auto text = image::to_json(image::Manifest{.config = sample.config, .layers = sample.layers});
  sample.manifest = must(store.put_blob(text, std::string(image::kOciManifest), algorithm));
  return sample;
}

image::Descriptor put_sample_index(image::ImageStore& store, std::vector<SampleImage>& images) {
  image::Index index;
  for (const char* architecture : {"amd64", "arm64"}) {
    images.push_back(put_sample(store, {"shared by all", std::string("for ") + architecture}, architecture));
    index.entries.push_back({.descriptor = images.back().manifest, .platform = platform(architecture)});
  }
  return must(store.put_blob(image::to_json(index), std::string(image::kOciIndex)));
}

}  // namespace acetate::test
