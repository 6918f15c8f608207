#include "builder/same_layer.h"

#include <fcntl.h>

#include <algorithm>
#include <vector>

#include "base/sys/file.h"
#include "builder/tar_header.h"

namespace acetate::build {

namespace {

void blank(TarBlock& block, TarField field) { std::fill_n(block.begin() + static_cast<std::ptrdiff_t>(field.at), field.length, std::byte{0}); }

Result<TarBlocks> open(const Cache& cache, const Record& record) {
  const std::string path = cache.layer_path(record.layer->diff_id);
  return TarBlocks(TRY_WITHIN(sys::open(path, O_RDONLY), "reading the layer {}", path));
}

// The next header, without what depends on the step's time, or on when something else came into a directory: a step that is recorded sees no times of directories.
Result<TarBlock> header(TarBlocks& tar, std::int64_t clock) {
  TarBlock block = TRY(tar.header());
  const bool is_dir = static_cast<char>(block[kTarType]) == '5';
  if (is_dir || tar_number(block, kTarTime) == clock) blank(block, kTarTime);
  blank(block, kTarChecksum);
  return block;
}

}  // namespace

Result<bool> same_but_for_step_times(const Record& one, const Record& other, const Cache& cache) {
  if (one.layer == other.layer) return true;
  if (!one.layer || !other.layer || one.layer->size != other.layer->size) return false;
  TarBlocks left = TRY(open(cache, one)), right = TRY(open(cache, other));
  std::vector<std::byte> mine(1 << 20), theirs(1 << 20);
  while (left.at() < one.layer->size) {
    if (TRY(header(left, one.clock)) != TRY(header(right, other.clock))) return false;
    for (;;) {
      const auto some = TRY(left.bytes(mine)), same = TRY(right.bytes(theirs));
      if (!std::ranges::equal(some, same)) return false;
      if (some.empty()) break;
    }
  }
  return true;
}

}  // namespace acetate::build
