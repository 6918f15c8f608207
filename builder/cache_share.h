// The build cache of one machine for another: a directory that can be kept by a CI system or copied anywhere.
//
//   DIR/cache.json          records: what each step was made from (its inputs by name) and the layer that came of it
//   DIR/layers/<sha256>     the layers, uncompressed tars
//
// A key is never taken from the file: it is the digest of the inputs that stand there, and a layer is what its digest says or it
// is not taken. Who can write the directory can still claim that a step makes something it does not: only a directory that
// one trusts as much as the base images should be read.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/cache.h"

namespace acetate::build {

// Everything known of these layers, and of the steps that changed nothing among `keys`. What the directory held before stays only
// as far as it is the same; it is whole whenever somebody looks.
Result<void> export_cache(Cache& cache, const std::set<Digest>& keys, const std::set<Digest>& layers, const std::string& dir);

// Adds what is not known. ENOENT when there is no such cache; EBADMSG with words for one that is not what it says.
Result<void> import_cache(Cache& cache, const std::string& dir);

}  // namespace acetate::build
