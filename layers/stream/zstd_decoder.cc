// zstd: frames one after another, some of them skippable (RFC 8878 §3). Only the beginning of a frame is a start.
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "layers/stream/decoder.h"

namespace acetate {

namespace {

class ZstdDecoder final : public Decoder {
 public:
  ZstdDecoder(PackedReader packed, std::uint64_t plain_offset, ZSTD_DCtx* context)
      : Decoder(std::move(packed), plain_offset), context_(context) {}

  Result<std::size_t> read(std::span<std::byte> into, Stop stop) override;

 private:
  enum class Next { frame, nothing, cut_off };
  Result<Next> look_ahead();

  struct Free {
    void operator()(ZSTD_DCtx* context) const noexcept { ::ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> context_;
  bool between_frames_ = true;
  bool any_frame_ = false;
};

// By the magic number of what comes: a frame, a skippable frame, or the beginning of one that was cut off.
Result<ZstdDecoder::Next> ZstdDecoder::look_ahead() {
  constexpr std::array kFrame{std::byte{0x28}, std::byte{0xb5}, std::byte{0x2f}, std::byte{0xfd}};
  constexpr std::array kSkippable{std::byte{0x50}, std::byte{0x2a}, std::byte{0x4d}, std::byte{0x18}};
  const auto ahead = TRY(packed_.ahead(kFrame.size()));
  if (ahead.empty()) return Next::nothing;
  bool frame = true, skippable = true;
  const std::size_t known = std::min(ahead.size(), kFrame.size());
  for (std::size_t i = 0; i < known; ++i) {
    frame = frame && ahead[i] == kFrame[i];
    skippable = skippable && (i == 0 ? ahead[i] & std::byte{0xf0} : ahead[i]) == kSkippable[i];
  }
  if (!frame && !skippable) return Next::nothing;
  return known == kFrame.size() ? Next::frame : Next::cut_off;
}

Result<std::size_t> ZstdDecoder::read(std::span<std::byte> into, Stop stop) {
  start_.reset();
  for (;;) {
    if (at_end_) return std::size_t{0};
    if (between_frames_) {
      switch (TRY(look_ahead())) {
        case Next::frame: break;
        case Next::cut_off: return cut_off(Format::zstd);
        case Next::nothing:
          if (!any_frame_) return damaged(Format::zstd, "no zstd frame begins here");
          at_end_ = true;
          return std::size_t{0};
      }
    }
    const auto ahead = TRY(packed_.ahead());
    ZSTD_inBuffer in{ahead.data(), ahead.size(), 0};
    ZSTD_outBuffer out{into.data(), into.size(), 0};
    const std::size_t left = ::ZSTD_decompressStream(context_.get(), &out, &in);
    if (::ZSTD_isError(left)) return damaged(Format::zstd, ::ZSTD_getErrorName(left));
    packed_.move(static_cast<std::ptrdiff_t>(in.pos));
    plain_offset_ += out.pos;
    between_frames_ = left == 0;
    any_frame_ = true;
    if (!between_frames_ && ahead.empty() && out.pos == 0) return cut_off(Format::zstd);
    if (between_frames_ && stop == Stop::at_starts && TRY(look_ahead()) == Next::frame) {
      start_ = StartPoint{packed_.position() * 8, false};
      return out.pos;
    }
    if (out.pos > 0) return out.pos;
  }
}

}  // namespace

Result<std::unique_ptr<Decoder>> zstd_decoder(PackedReader packed, std::uint64_t plain_offset) {
  ZSTD_DCtx* context = ::ZSTD_createDCtx();
  if (context == nullptr) return Error(ENOMEM);
  return std::unique_ptr<Decoder>(std::make_unique<ZstdDecoder>(std::move(packed), plain_offset, context));
}

}  // namespace acetate
