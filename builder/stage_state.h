// A stage as far as it has been built: layers, configuration, and what later steps' keys hang on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "base/result.h"
#include "layers/image/image.h"
#include "layers/layer.h"
#include "layers/layer_spec.h"

namespace acetate::build {

struct StageLayer {
  LayerSpec spec;           // where its bytes lie
  Digest blob;              // of the bytes as they lie
  Digest diff_id;           // of the tar in them
  std::uint64_t size = 0;   // of the bytes as they lie
  std::string media_type;   // an OCI one
};

struct StageState {
  std::vector<StageLayer> layers;  // bottom first
  image::Config config;            // diff_ids and history grow with the layers
  std::int64_t clock = 0;          // see clock.h
  std::int64_t base_clock = 0;     // of the image it began with
  std::optional<std::int64_t> newest_layer = {};  // the time of the newest of its steps' layers, which may be older than the image it began with
  std::size_t base_layers = 0;     // how many of the layers are that image's
  std::string changed_by = {};     // the first of its steps that this build had to do, as a person wrote it

  // What the tree is, for cache keys: the diff ids, bottom first, as one digest.
  Digest chain() const;
  // lowerdir elements for the daemon, top first.
  std::vector<std::string> lowers() const;
  // Adds a layer on top.
  void push(StageLayer layer);
};

// Opens layers once each, and stacks them. What an image claims of its layers vouches for no other image: two that claim the same
// of different bytes are two. Thread-safe.
class LayerOpener {
 public:
  explicit LayerOpener(std::string index_dir) : index_dir_(std::move(index_dir)) {}
  // EBADMSG with words when its uncompressed bytes are not `diff_id`.
  Result<LayerPtr> open(const LayerSpec& spec, const std::optional<Digest>& diff_id = {});
  // A tarball that is open for reading already, each time anew.
  Result<LayerPtr> open_file(Fd file) const;
  // Makes the index of a tarball where there is none yet, and keeps no more of it.
  Result<void> make_index(const LayerSpec& spec) const;
  // The merged tree of a stage.
  Result<LayerPtr> tree(const StageState& state);

 private:
  struct Opened {
    LayerSpec spec;
    OpenedLayer layer;
    std::vector<Digest> known;  // diff ids that its bytes were found to have
  };
  // What makes a tree: where each layer lies and what it must be, bottom first.
  using Parts = std::vector<std::pair<LayerSpec, Digest>>;
  Result<LayerPtr> open_locked(const LayerSpec& spec, const std::optional<Digest>& diff_id) REQUIRES(mutex_);
  std::string index_dir_;
  Mutex mutex_;
  std::vector<Opened> open_ GUARDED_BY(mutex_);
  std::vector<std::pair<Parts, LayerPtr>> trees_ GUARDED_BY(mutex_);  // the latest few
};

}  // namespace acetate::build
