#include "builder/index_maker.h"

#include <utility>

#include "base/log.h"

namespace acetate::build {

void IndexMaker::add(LayerSpec layer) {
  work_.add([this, layer = std::move(layer)] {
    if (const auto made = layers_.make_index(layer); !made) log::info("no index is made of {}: {}", layer.path, made.error().message());
  });
}

}  // namespace acetate::build
