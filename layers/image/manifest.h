// Manifests and indexes (image-spec manifest.md, image-index.md) and Docker's twins of them, read and
// written.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "layers/image/descriptor.h"
#include "layers/image/image.h"

namespace acetate::image {

struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;  // bottom first
  std::map<std::string, std::string> annotations = {};
  std::string artifact_type = {};  // set: no image to be run
};

struct IndexEntry {
  Descriptor descriptor;
  std::optional<Platform> platform = {};
  std::map<std::string, std::string> annotations = {};
  std::string artifact_type = {};  // set: no image to be run
};

struct Index {
  std::vector<IndexEntry> entries;
};

// What a document says it is, whatever it was announced as: exactly one of manifest and index. A document
// that could be read as both is EINVAL with words, and so is schema 1 (ENOTSUP), an artifact without image
// config (ENOTSUP), a missing or mistyped key.
struct Document {
  std::optional<Manifest> manifest;
  std::optional<Index> index;
  std::string media_type = {};  // as it states it; "" when it does not
};
Result<Document> parse_document(std::string_view json, std::string_view announced_media_type,
                                std::string_view what);

// The same for whoever only hands documents on: artifacts are manifests like others, and say so in artifact_type.
Result<Document> parse_any_document(std::string_view json, std::string_view announced_media_type,
                                    std::string_view what);

// index.json of a layout.
Result<Index> parse_index(std::string_view json, std::string_view what);

// An OCI manifest, with the digests of its eStargz layers' tables; sorted keys, compact, deterministic.
std::string to_json(const Manifest& manifest);

// An OCI index, `entries` in their order.
std::string to_json(const Index& index);

}  // namespace acetate::image
