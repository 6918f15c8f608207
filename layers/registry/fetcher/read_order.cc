#include "layers/registry/fetcher/read_order.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "layers/stream/checkpoint.h"
#include "layers/stream/read_trace.h"
#include "layers/tar/foreign_index.h"

namespace acetate::registry {

namespace {

constexpr std::uint64_t kBlock = PartialBlob::kBlock;
constexpr std::uint64_t kMostBlocks = 16;      // of a piece: whoever waits for other bytes waits no longer than for that
constexpr std::uint32_t kMissedCost = 60'000;  // as decoding ahead has it (span_ahead.cc)

std::uint64_t time_of(const TracePoint& point) { return std::uint64_t{point.missed} * kMissedCost + point.ms; }

struct Bytes {
  std::uint64_t from, to;
};

// Where decoding can begin, found in one walk through a table: a strange index may have millions of spans that have no start of their own, and a
// strange trace thousands of points in them.
class Starts {
 public:
  // Nothing for an index that cannot be asked.
  static std::optional<Starts> of(const CheckpointTable& table, std::uint64_t packed_size) {
    Starts starts(table, packed_size);
    for (std::size_t i = 0; i < table.count(); ++i) {
      const auto at = table.mark(i);
      if (!at) return std::nullopt;
      if (at->has_start()) starts.starts_.push_back({i, at->packed_bit});
    }
    return starts;
  }

  // The packed bytes of the spans that a stretch of plain bytes lies in.
  std::optional<Bytes> packed_of(const TracePoint& point) const {
    const auto first = find_span(table_, point.offset), last = find_span(table_, std::max(point.end(), point.offset + 1) - 1);
    if (!first || !last) return std::nullopt;
    const auto next = [&](std::size_t span) { return std::ranges::upper_bound(starts_, span, {}, &Start::span); };
    const auto from = next(*first), to = next(*last);
    const Bytes bytes{.from = from == starts_.begin() ? 0 : std::prev(from)->packed_bit / 8,
                      .to = to == starts_.end() ? packed_size_ : std::min((to->packed_bit + 7) / 8, packed_size_)};
    return bytes.from < bytes.to ? std::optional(bytes) : std::nullopt;
  }

 private:
  struct Start {
    std::size_t span;
    std::uint64_t packed_bit;
  };
  Starts(const CheckpointTable& table, std::uint64_t packed_size) : table_(table), packed_size_(packed_size) {}

  const CheckpointTable& table_;
  std::uint64_t packed_size_;
  std::vector<Start> starts_;
};

class Order {
 public:
  explicit Order(std::uint64_t blocks) : taken_(static_cast<std::size_t>(blocks)) {}

  void add(const Bytes& bytes, std::uint64_t when) {
    const auto ms = static_cast<std::uint32_t>(std::min<std::uint64_t>(when, ~std::uint32_t{0}));
    for (std::uint64_t block = bytes.from / kBlock; block * kBlock < bytes.to && left_ > 0; ++block) {
      const auto at = static_cast<std::size_t>(block);
      if (taken_[at]) continue;
      taken_[at] = true;
      left_ -= std::min(left_, kBlock);
      if (!runs_.empty() && runs_.back().end == block && block - runs_.back().first < kMostBlocks)
        ++runs_.back().end;
      else
        runs_.push_back({block, block + 1, ms});
    }
  }
  std::vector<OrderedRun> take() { return std::move(runs_); }

 private:
  std::vector<bool> taken_;
  std::uint64_t left_ = kMostBytesAhead;
  std::vector<OrderedRun> runs_;
};

}  // namespace

std::vector<OrderedRun> read_order(const std::string& dir, const PartialBlob& blob, const IndexStore& indexes) {
  const auto names = foreign_trace_names(dir, blob.digest());
  if (!names || names->empty()) return {};
  Order order(blob.blocks());
  const LayerIndexPtr own = indexes.find(blob.digest());
  for (const auto& name : *names) {
    const auto origin = origin_of(name);
    const LayerIndexPtr index = own != nullptr ? own : origin ? find_foreign_index(dir, blob.digest(), *origin) : nullptr;
    if (index == nullptr || index->facts().packed_bytes != blob.size() || index->facts().format == Format::plain) continue;
    auto points = load_trace(dir + "/" + name, blob.digest());
    std::ranges::stable_sort(points, {}, time_of);
    const auto table = LayerIndex::checkpoints(index);
    const auto starts = Starts::of(*table, blob.size());
    if (!starts) continue;
    for (const auto& point : points)
      if (const auto bytes = starts->packed_of(point)) order.add(*bytes, time_of(point));
  }
  return order.take();
}

}  // namespace acetate::registry
