// Indexes of layers that are just being packed, made beside the packing of the next: what was built is mounted at once, from its packed
// layers too, and `push --index` has something to send.
#pragma once

#include "builder/backlog.h"
#include "builder/stage_state.h"

namespace acetate::build {

// Not copied nor moved; its end waits for all that was added. What cannot be indexed is logged: a mount makes its index itself, and tells
// what is wrong.
class IndexMaker {
 public:
  // `layers`: whose indexes they are kept with. Outlives us.
  explicit IndexMaker(const LayerOpener& layers) : layers_(layers) {}

  // A blob whose bytes are all there.
  void add(LayerSpec layer);

 private:
  const LayerOpener& layers_;
  Backlog work_;
};

}  // namespace acetate::build
