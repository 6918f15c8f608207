// Layer indexes beside an image in a registry: an artifact that refers to the image's manifest (distribution-spec,
// "Referrers"), so that whoever mounts the image elsewhere sees its tree before anything of its layers is there.
//
// docs/fetcher.md has the document. What such an index says nobody has proved: see layers/tar/check_shown.h.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "layers/image/image_store.h"
#include "layers/registry/repository.h"

namespace acetate::registry {

inline constexpr const char* kIndexArtifact = "application/vnd.acetate.layer-index.v1";
inline constexpr const char* kIndexLayer = "application/vnd.acetate.layer-index.v1+zstd";
inline constexpr const char* kTraceLayer = "application/vnd.acetate.read-trace.v2";
inline constexpr const char* kOldTraceLayer = "application/vnd.acetate.read-trace.v1";  // is taken, and never sent
inline constexpr const char* kIndexedLayer = "org.acetate.layer.digest";  // annotation: the layer an index or trace is of

// A layer, the file that is its index and, where it is sent too, the bytes of its read trace.
struct IndexOfLayer {
  Digest layer;
  Fd index;
  std::string trace = {};
};

// Sends the indexes and the artifact that names them and, as its subject, `manifest`. What it is then, for people.
Result<image::Descriptor> push_indexes(Repository& repository, const image::Descriptor& manifest,
                                       const std::vector<IndexOfLayer>& indexes);

// The indexes the registry has of those layers of the manifest, into `dir` as those of `origin` (layers/tar/foreign_index.h
// has their names), and their read traces; how many indexes are there then. One that is there already stays: it may be in use, and is to be checked. None is
// no error. The 16 newest artifacts are looked into, and of each one index a layer, which is no longer than one of that layer may be.
// Errors with words.
Result<std::size_t> fetch_indexes(Repository& repository, const Digest& manifest, const std::vector<image::Descriptor>& layers,
                                  const std::string& dir, const Digest& origin);

}  // namespace acetate::registry
