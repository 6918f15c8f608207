// Indexes of layers that are just being packed, made beside the packing of the next: what was built is mounted at once, from its packed
// layers too, and `push --index` has something to send.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "builder/stage_state.h"

namespace acetate::build {

// Not copied nor moved. What cannot be indexed is logged: a mount makes its index itself, and tells what is wrong.
class IndexMaker {
 public:
  // `layers`: whose indexes they are kept with. Outlives us.
  explicit IndexMaker(const LayerOpener& layers) : layers_(layers) {}
  // Waits for all that was added.
  ~IndexMaker();
  IndexMaker(const IndexMaker&) = delete;
  IndexMaker& operator=(const IndexMaker&) = delete;

  // A blob whose bytes are all there.
  void add(LayerSpec layer);

 private:
  void run();
  const LayerOpener& layers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<LayerSpec> waiting_;  // under mutex_
  bool is_over_ = false;           // under mutex_
  std::thread thread_;
};

}  // namespace acetate::build
