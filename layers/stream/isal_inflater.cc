// Inflating with ISA-L: more than twice as fast as zlib.
//
// ISA-L has no call that stops between blocks. But fed a few bytes at a time it runs out of input inside the
// header of a dynamic block (40 bytes and more), and then it stands, by its own account, before that header:
// block_state says so, the header's bytes are put by in tmp_in_buffer, and everything decoded was handed out.
// That is a block start, exact to the bit. Headers short enough to slip through (fixed and stored blocks) only
// mean no start there.
#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "layers/stream/inflater.h"
#include "layers/stream/window.h"

namespace acetate {

namespace {

// How much input is fed at a time while a block start is wanted: less than a dynamic header.
constexpr std::size_t kSlice = 32;
// Where blocks are huge, searching is given up after that much input, and taken up again after that much more.
constexpr std::size_t kSearch = std::size_t{256} << 10;
constexpr std::size_t kPause = std::size_t{1} << 20;

// ISA-L's interface is not const-correct for input; it never writes there.
std::uint8_t* isal_pointer(std::span<const std::byte> bytes) {
  return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(bytes.data()));
}

std::uint32_t isal_size(std::size_t size) {
  return static_cast<std::uint32_t>(std::min<std::size_t>(size, std::numeric_limits<std::int32_t>::max()));
}

class IsalInflater final : public Inflater {
 public:
  IsalInflater() { ::isal_inflate_init(&state_); }

  Result<void> begin() override {
    ::isal_inflate_reset(&state_);
    state_.crc_flag = ISAL_DEFLATE;
    searched_ = 0;
    return {};
  }

  Result<void> resume(unsigned bits, std::byte byte, std::span<const std::byte> window) override {
    TRY(begin());
    if (window.size() > kWindowBytes ||
        ::isal_inflate_set_dict(&state_, isal_pointer(window), isal_size(window.size())) != ISAL_DECOMP_OK) {
      return fail(EBADMSG, "the window of a checkpoint is damaged");
    }
    if (bits > 0) {
      state_.read_in = static_cast<std::uint64_t>(byte) >> (8 - bits);
      state_.read_in_length = static_cast<std::int32_t>(bits);
    }
    return {};
  }

  Result<Step> step(std::span<const std::byte> in, std::span<std::byte> out, bool stop_at_blocks) override {
    state_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    state_.avail_out = isal_size(out.size());
    Step step;
    for (std::size_t fed = 0;;) {
      const std::size_t count = std::min(in.size() - fed, stop_at_blocks && searching() ? kSlice : in.size());
      state_.next_in = isal_pointer(in.subspan(fed));
      state_.avail_in = isal_size(count);

      const int code = ::isal_inflate(&state_);

      if (code < 0) return fail(EBADMSG, "{}", words(code));
      const auto used = static_cast<std::size_t>(state_.next_in - isal_pointer(in.subspan(fed)));
      fed += used;
      if (stop_at_blocks) search(used);
      step.consumed = static_cast<std::ptrdiff_t>(fed);
      step.produced = static_cast<std::size_t>(state_.next_out - reinterpret_cast<std::uint8_t*>(out.data()));
      if (state_.block_state == ISAL_BLOCK_FINISH) {
        step.at = At::end;
        step.consumed -= state_.read_in_length / 8;  // whole bytes it took and did not need
        state_.read_in_length = 0;
        return step;
      }
      if (stop_at_blocks && stands_before_block()) {
        step.at = At::block_start;
        step.unused_bits = static_cast<unsigned>(state_.read_in_length + 8 * state_.tmp_in_size);
        searched_ = 0;
        return step;
      }
      if (!stop_at_blocks || fed == in.size() || state_.avail_out == 0) return step;
    }
  }

 private:
  bool searching() const noexcept { return searched_ < kSearch; }
  void search(std::size_t used) noexcept {
    searched_ += used;
    if (searched_ >= kSearch + kPause) searched_ = 0;
  }

  bool stands_before_block() const noexcept {
    return (state_.block_state == ISAL_BLOCK_HDR || state_.block_state == ISAL_BLOCK_NEW_HDR) &&
           state_.tmp_out_valid == state_.tmp_out_processed && state_.write_overflow_len == 0 &&
           state_.copy_overflow_length == 0;
  }

  static const char* words(int code) noexcept {
    switch (code) {
      case ISAL_INVALID_BLOCK: return "an invalid deflate block";
      case ISAL_INVALID_SYMBOL: return "an invalid deflate symbol";
      case ISAL_INVALID_LOOKBACK: return "a deflate distance that reaches too far back";
      default: return "invalid deflate data";
    }
  }

  inflate_state state_;
  std::size_t searched_ = 0;  // input consumed since the search for a block start began
};

}  // namespace

Result<std::unique_ptr<Inflater>> isal_inflater() { return std::unique_ptr<Inflater>(new IsalInflater()); }

}  // namespace acetate
