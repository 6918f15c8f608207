// Directories that lie in one another: refused at start, because they hang or lose data later.
//
// A mountpoint inside a layer makes the daemon wait for itself (fuse-overlayfs #318, #364); an upper inside a lower shows
// its own whiteouts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace acetate::fs {

struct Places {
  std::vector<std::string> lowers;  // directories only
  std::optional<std::string> upper;
  std::optional<std::string> work;
  std::string mountpoint;  // not looked at when it is /dev/fd/N
};

// EINVAL with words that name both directories. ENOENT, ENOTDIR with words for what is missing. A mountpoint that *is* a
// layer is fine: the layer was opened before it is covered.
Result<void> check_places(const Places& places);

}  // namespace acetate::fs
