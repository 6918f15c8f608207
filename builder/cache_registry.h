// The build cache in a registry: an artifact whose config is cache.json (builder/cache_share.h) and whose layers are the cache's, packed
// with zstd. What the registry has already is not packed or sent again. From an image the cache that is in it is taken (builder/cache_inline.h).
//
//   artifactType, config   application/vnd.acetate.build-cache.v2+json
//   each layer             application/vnd.oci.image.layer.v1.tar+zstd, with the annotation org.acetate.layer.diff-id
//   each cache mount       the same, with the annotation org.acetate.cache-mount instead: the digest of its id
#pragma once

#include <functional>
#include <set>
#include <string>

#include "base/result.h"
#include "builder/cache_share.h"

namespace acetate::build {

// Under that name; EEXIST when it stands for something that is no build cache. With what export_mounts() has put into `mounts`, where that is not empty. Who we are to the
// registry is as for `acetate push`. Errors with words.
Result<void> push_cache(Cache& cache, const std::set<Digest>& keys, const std::string& name, const std::string& scratch_base, const std::string& mounts = {});

// Where the cache mounts of an artifact are put, as import_mounts() wants them: those that are asked for.
struct WantedMounts {
  std::string dir;
  std::function<bool(const Digest& id)> is_wanted;
};

// Does `work`, which fetches `what`, and tells who watches.
using WatchFetch = std::function<Result<void>(const std::string& what, const std::function<Result<void>()>& work)>;

// As import_cache(), of an artifact, an image or an index of images; EBADMSG with words where no cache is in them. Layers are fetched when a
// step asks for them (Cache::get_layers_by()), by `watch`; one that is damaged or gone costs that step. `cache` stays where it is.
Result<Imported> pull_cache(Cache& cache, const std::string& name, const std::string& scratch_base, const WatchFetch& watch, const WantedMounts* mounts = nullptr);

}  // namespace acetate::build
