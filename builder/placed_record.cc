#include "builder/placed_record.h"

#include <fcntl.h>

#include <span>
#include <vector>

#include "base/sys/file.h"
#include "builder/bytecode.h"
#include "builder/layer_file.h"
#include "builder/tar_header.h"

namespace acetate::build {

namespace {

// From here on a time stands in a pax entry as well.
constexpr std::int64_t kFirstOfPax = 0x7fffffff;

// The same layer with `now` wherever it has `then`. Nothing where something is newer than `now`, which would have to be cut.
Result<std::optional<CachedLayer>> with_epoch(const CachedLayer& layer, std::int64_t then, std::int64_t now, const Cache& cache) {
  const std::string path = cache.layer_path(layer.diff_id);
  TarBlocks tar(TRY_WITHIN(sys::open(path, O_RDONLY), "reading the layer {}", path));
  const auto out = TRY(LayerCopy::begin(cache));
  std::vector<std::byte> room(1 << 20);
  while (tar.at() < layer.size) {
    TarBlock block = TRY(tar.header());
    if (const auto time = tar_number(block, kTarTime); time == then) {
      if (!set_tar_number(block, kTarTime, now)) return std::optional<CachedLayer>();
      set_tar_checksum(block);
    } else if (time && *time > now) {
      return std::optional<CachedLayer>();
    }
    TRY(out->write(block));
    auto some = TRY(tar.bytes(room));
    set_noted_time(std::span(room).first(some.size()), then, now);
    for (; !some.empty(); some = TRY(tar.bytes(room))) TRY(out->write(some));
  }
  return std::optional(TRY(out->commit()));
}

}  // namespace

Result<std::optional<Record>> place_record(const Record& found, const StageState& before, const TimeRule& rule, MayBe age, Cache& cache) {
  using Answer = std::optional<Record>;
  Record record = found;
  if (rule.kind == TimeRule::Kind::epoch) {
    if (record.layer && record.clock != rule.epoch) {
      // What stands for a removal has the time 0, whatever the epoch is.
      if (record.clock <= 0 || record.clock >= kFirstOfPax || rule.epoch >= kFirstOfPax) return Answer();
      record.layer = TRY(with_epoch(*record.layer, record.clock, rule.epoch, cache));
      if (!record.layer) return Answer();
    }
    record.clock = rule.epoch;
    return Answer(record);
  }
  if (rule.kind != TimeRule::Kind::logical || !record.layer || !before.newest_layer || age == MayBe::older) return Answer(record);
  if (record.clock < *before.newest_layer || (record.clock == *before.newest_layer && age == MayBe::younger)) return Answer();
  return Answer(record);
}

}  // namespace acetate::build
