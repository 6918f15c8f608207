// How large the build cache may become: one limit for layers and cache mounts together, and what was not used for longest goes
// first.
#pragma once

#include <cstdint>
#include <optional>

namespace acetate::build {

struct PruneOptions {
  std::optional<std::uint64_t> max_bytes = {};
  std::optional<std::int64_t> unused_since = {};  // seconds since 1970: what was not used later goes too
  bool dry_run = false;                           // only tells
  bool wait = true;                               // for builds that are running
};

struct Pruned {
  std::uint64_t freed = 0, left = 0;  // bytes
  std::uint64_t layers = 0, mounts = 0;  // removed
};

}  // namespace acetate::build
