#include "builder/same_layer.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <vector>

#include "base/sys/file.h"

namespace acetate::build {

namespace {

// Of a header of tar (POSIX ustar): where a field begins, and its length.
struct Field {
  std::size_t at, length;
};
constexpr Field kSize{124, 12}, kTime{136, 12}, kChecksum{148, 8};
constexpr std::size_t kType = 156;
constexpr std::size_t kBlock = 512;
using Block = std::array<std::byte, kBlock>;

// An octal number; nothing for what is none, such as a number in binary.
std::optional<std::int64_t> number(const Block& block, Field field) {
  const char* text = reinterpret_cast<const char*>(block.data()) + field.at;
  const char* end = text + ::strnlen(text, field.length);
  std::int64_t value = 0;
  const auto [stopped, error] = std::from_chars(text, end, value, 8);
  if (error != std::errc() || (stopped != end && *stopped != ' ')) return std::nullopt;
  return value;
}

void blank(Block& block, Field field) { std::fill_n(block.begin() + static_cast<std::ptrdiff_t>(field.at), field.length, std::byte{0}); }

// One layer, read from its beginning to its end.
class Tar {
 public:
  static Result<Tar> open(const Cache& cache, const Digest& diff_id, std::int64_t clock) {
    const std::string path = cache.layer_path(diff_id);
    return Tar(TRY_WITHIN(sys::open(path, O_RDONLY), "reading the layer {}", path), clock);
  }

  // The next header, without what depends on the step's time, or on when something else came into a directory: a step that is recorded sees no times of directories.
  Result<Block> header() {
    Block block;
    TRY(read(block));
    const auto size = number(block, kSize);
    left_ = size ? (static_cast<std::uint64_t>(*size) + kBlock - 1) / kBlock * kBlock : 0;
    const bool is_dir = static_cast<char>(block[kType]) == '5';
    if (is_dir || number(block, kTime) == clock_) blank(block, kTime);
    blank(block, kChecksum);
    return block;
  }

  // What is left of the entry's bytes, as far as there is room.
  Result<std::span<const std::byte>> bytes(std::span<std::byte> room) {
    const auto part = room.first(static_cast<std::size_t>(std::min<std::uint64_t>(left_, room.size())));
    TRY(read(part));
    left_ -= part.size();
    return part;
  }

 private:
  Tar(Fd file, std::int64_t clock) : file_(std::move(file)), clock_(clock) {}
  Result<void> read(std::span<std::byte> bytes) {
    if (TRY(sys::pread_full(file_.ref(), bytes, at_)) != bytes.size()) return fail(EBADMSG, "a layer of the build cache ends too early");
    at_ += bytes.size();
    return {};
  }

  Fd file_;
  std::int64_t clock_;
  std::uint64_t at_ = 0, left_ = 0;
};

}  // namespace

Result<bool> same_but_for_step_times(const Record& one, const Record& other, const Cache& cache) {
  if (one.layer == other.layer) return true;
  if (!one.layer || !other.layer || one.layer->size != other.layer->size) return false;
  Tar left = TRY(Tar::open(cache, one.layer->diff_id, one.clock)), right = TRY(Tar::open(cache, other.layer->diff_id, other.clock));
  std::vector<std::byte> mine(1 << 20), theirs(1 << 20);
  for (std::uint64_t read = 0; read < one.layer->size;) {
    if (TRY(left.header()) != TRY(right.header())) return false;
    read += kBlock;
    for (;;) {
      const auto some = TRY(left.bytes(mine)), same = TRY(right.bytes(theirs));
      if (!std::ranges::equal(some, same)) return false;
      if (some.empty()) break;
      read += some.size();
    }
  }
  return true;
}

}  // namespace acetate::build
