// The layers of an image as a page for a browser, in one file that loads nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/layer_changes.h"

namespace acetate::cli {

struct ExploredLayer {
  std::size_t number;       // 1 is the lowest
  std::string step;         // that made it, where that is known
  std::uint64_t size = 0;   // as it is stored
  LayerChanges changes = {};
};

// Pure. What images say is escaped; of a layer with very many changes the largest are shown.
std::string explore_page(std::string_view image, const std::vector<ExploredLayer>& layers);

}  // namespace acetate::cli
