// Layer indexes that came along with an image from a registry: HEX.ORIGIN.lix beside the partial blob HEX. Nothing proves
// that one tells the truth (check_shown.h does, in the end). And read traces that came with them, HEX.ORIGIN.trace.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "layers/tar/index_store.h"

namespace acetate {

// The name of an index from elsewhere, below the directory of partial blobs.
std::string foreign_index_name(const Digest& blob, const Digest& origin);
std::string foreign_trace_name(const Digest& blob, const Digest& origin);
// Those there are, whosever.
Result<std::vector<std::string>> foreign_index_names(const std::string& dir, const Digest& blob);
Result<std::vector<std::string>> foreign_trace_names(const std::string& dir, const Digest& blob);
// Of such a name; nothing for another.
std::optional<Digest> origin_of(std::string_view name);

// ENOENT bare. Null: what lies there is no index that we can read, or leaves a span without a digest, so nobody is shown
// anything by it. Other errors are our own trouble, with words.
Result<LayerIndexPtr> open_foreign_index(const std::string& path, const Digest& blob);
// Null when there is none, or none that is one.
LayerIndexPtr find_foreign_index(const std::string& dir, const Digest& blob, const Digest& origin);

}  // namespace acetate
