#include "layers/shared_indexes.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

namespace acetate {

IndexStore indexes_in(const std::string& index_dir) {
  std::vector<std::string> shared;
  const char* set = std::getenv("ACETATE_SHARED_INDEXES");
  for (std::string_view dirs = set != nullptr ? set : ""; !dirs.empty();) {
    const std::string_view dir = dirs.substr(0, dirs.find(':'));
    if (!dir.empty()) shared.emplace_back(dir);
    dirs.remove_prefix(std::min(dir.size() + 1, dirs.size()));
  }
  return IndexStore(index_dir, std::move(shared));
}

Result<void> adopt_shared_index(const Digest& blob, const std::string& index_dir) { return indexes_in(index_dir).adopt(blob); }

}  // namespace acetate
