// The build cache of one machine for another: a directory that can be kept by a CI system or copied anywhere.
//
//   DIR/cache.json          which layer came of what each key stands for, and which paths steps looked at
//   DIR/layers/<sha256>     the layers, uncompressed tars
//
// Of what a key stands for nothing is told: values of build arguments are in it. A layer is what its digest says or it
// is not taken. Who can write the directory can still claim that a step makes something it does not: only a directory that
// one trusts as much as the base images should be read.
//
//   {"acetate build cache": 2, "records": [{"key": "sha256:…", "clock": 3, "layer": {"diff_id": "sha256:…", "size": 9},
//                                           "first": ["sha256:…"], "step": "sha256:…", "paths": base64 of layers/access_log.h}, …]}
//
// Of those only key and clock are always there. "first": the keys of steps whose result is found by this one too, so that who took a
// cache can hand it on whole.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/cache.h"

namespace acetate::build {

// Where --cache-to and --cache-from have one.
struct CachePlace {
  std::string where;         // a directory, or
  bool in_registry = false;  // the name of an artifact or an image (builder/cache_registry.h)
  bool in_image = false;     // --cache-to: in the configuration of the image that is built (builder/cache_inline.h)
  bool ignore_error = false;  // --cache-to: a cache that cannot be written is a warning
  bool mounts = false;        // cache mounts too (builder/mount_share.h)
};

// What is known by these keys: cache.json, and the layers it names.
struct CacheIndex {
  std::string text;
  std::vector<CachedLayer> layers;  // each once
};
// Of `within`, where it is given, no record of another layer.
Result<CacheIndex> index_of(Cache& cache, const std::set<Digest>& keys, const std::set<Digest>* within = nullptr);

inline constexpr std::size_t kMostCacheIndex = std::size_t{64} << 20;

// The same as a directory, which anybody may read. What the directory held before stays only as far as it is the same; it is whole
// whenever somebody looks. One at a time: who comes second waits.
Result<void> export_cache(Cache& cache, const std::set<Digest>& keys, const std::string& dir);

struct Imported {
  std::size_t records = 0;
  std::size_t refused = 0;   // whose layer is missing or is something else
  std::string first_reason = {};
};

// Puts the layer where Cache::layer_path() has it, once it is known to be what its digest says. EBADMSG with words when it is not to be
// had, or something else; other errors are ours.
using TakeLayer = std::function<Result<void>(const CachedLayer& layer)>;

// Adds what is not known of a cache.json; `what` it is, for errors. EBADMSG with words for one that is none, of which nothing is taken.
Result<Imported> import_index(Cache& cache, std::string_view text, const std::string& what, const TakeLayer& take);

// The same of a directory. ENOENT when there is no such cache.
Result<Imported> import_cache(Cache& cache, const std::string& dir);

}  // namespace acetate::build
