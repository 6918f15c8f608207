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
//                                           "step": "sha256:…", "paths": base64 of layers/access_log.h}, …]}
//
// Of those only key and clock are always there.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/cache.h"

namespace acetate::build {

// Where --cache-to and --cache-from have one.
struct CachePlace {
  std::string where;         // a directory, or
  bool in_registry = false;  // the name of an artifact (builder/cache_registry.h)
};

// What is known by these keys: cache.json, and the layers it names.
struct CacheIndex {
  std::string text;
  std::vector<CachedLayer> layers;  // each once
};
Result<CacheIndex> index_of(Cache& cache, const std::set<Digest>& keys);

// The same as a directory. What the directory held before stays only as far as it is the same; it is whole whenever somebody
// looks.
Result<void> export_cache(Cache& cache, const std::set<Digest>& keys, const std::string& dir);

struct Imported {
  std::size_t records = 0;
  std::size_t refused = 0;   // whose layer is missing or is something else
  std::string first_reason = {};
};

// Adds what is not known. ENOENT when there is no such cache; EBADMSG with words for one that is none, of which nothing is taken.
Result<Imported> import_cache(Cache& cache, const std::string& dir);

}  // namespace acetate::build
