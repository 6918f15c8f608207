// Cache mounts (RUN --mount=type=cache) of one machine for another, beside its build cache:
//
//   DIR/mounts/<sha256 of the id>.tar   what is in it, with owners, modes and times; to be taken in it may be compressed
//
// In a registry they are layers of the cache's artifact (builder/cache_registry.h).
//
// Whoever can write there decides what steps find in their caches, which can be more than a wrong layer: only a directory that one trusts as
// much as the base images should be read. Of a private mount the first directory is taken; one that begins with files of an
// image (from=) stays where it is.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "builder/stage_state.h"

namespace acetate::build {

// Those of `ids`, each as it is while nobody else has it: waits for its end. Others that the directory holds stay.
Result<void> export_mounts(const std::set<std::string>& ids, const std::string& build_dir, LayerOpener& layers, const std::string& dir);

// How many are made of what is there. One that is here already stays as it is. No directory is none. EBADMSG with words for a tarball that is
// damaged; those before it are kept. With `owners` files get theirs.
Result<std::size_t> import_mounts(const std::string& build_dir, LayerOpener& layers, const std::string& dir, bool owners);

// The ids' digests of those in `dir`, and where one of them is.
Result<std::vector<Digest>> mounts_in(const std::string& dir);
std::string mount_path(const std::string& dir, const Digest& id);

}  // namespace acetate::build
