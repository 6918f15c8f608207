#include "layers/stream/checkpoint.h"

#include <cerrno>
#include <utility>

namespace acetate {

namespace {

class MemoryTable final : public CheckpointTable {
 public:
  explicit MemoryTable(std::vector<Checkpoint> checkpoints) : checkpoints_(std::move(checkpoints)) {}
  std::size_t count() const override { return checkpoints_.size(); }
  Result<CheckpointView> at(std::size_t i) const override { return checkpoints_[i].view(); }
  Result<SpanMark> mark(std::size_t i) const override { return checkpoints_[i].mark(); }

 private:
  std::vector<Checkpoint> checkpoints_;
};

}  // namespace

CheckpointTablePtr checkpoint_table(std::vector<Checkpoint> checkpoints) {
  return std::make_shared<MemoryTable>(std::move(checkpoints));
}

Result<std::size_t> find_span(const CheckpointTable& table, std::uint64_t plain_offset) {
  // The first checkpoint after the offset lies in [low, high]; ours is the one before it.
  std::size_t low = 0, high = table.count();
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (TRY(table.mark(middle)).plain_offset <= plain_offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return fail(EINVAL, "no checkpoint at or before plain byte {}", plain_offset);
  return low - 1;
}

}  // namespace acetate
