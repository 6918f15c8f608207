// A layer that can turn out not to be what it was taken for, while it is in use: from then on everything of it is EIO.
#pragma once

#include <atomic>
#include <memory>

#include "layers/layer.h"

namespace acetate {

// Thread-safe. Once spilled it stays.
class Poison {
 public:
  virtual ~Poison() = default;
  // Asked at every lookup: makes no system call, or few.
  virtual bool is_spilled() const noexcept = 0;
};

// One that whoever finds out spills.
class SpillablePoison final : public Poison {
 public:
  void spill() noexcept { spilled_.store(true, std::memory_order_release); }
  bool is_spilled() const noexcept override { return spilled_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> spilled_ = false;
};

// `layer`, files that are open included, for as long as `poison` is not spilled. `keeps`, which may be null, lives as long as it.
LayerPtr poisonable_layer(LayerPtr layer, std::shared_ptr<const Poison> poison, std::shared_ptr<const void> keeps);

}  // namespace acetate
