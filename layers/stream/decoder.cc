#include "layers/stream/decoder.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "layers/stream/window.h"

namespace acetate {

Error Decoder::damaged(Format format, std::string_view what) const {
  return fail(EBADMSG, "damaged {} data at byte {} of the packed stream (byte {} of the tar inside): {}",
              describe(format), packed_.position(), plain_offset_, what);
}

Error Decoder::cut_off(Format format) const {
  return fail(EBADMSG,
              "the {} data ends too early, after {} bytes of the packed stream ({} bytes of the tar inside): it "
              "was cut off, perhaps by an interrupted download",
              describe(format), packed_.position(), plain_offset_);
}

namespace {

class PlainDecoder final : public Decoder {
 public:
  explicit PlainDecoder(PackedReader packed) : Decoder(std::move(packed), 0) {}

  Result<std::size_t> read(std::span<std::byte> into, Stop) override {
    const auto ahead = TRY(packed_.ahead());
    const std::size_t count = std::min(into.size(), ahead.size());
    if (count == 0) {
      at_end_ = true;
      return count;
    }
    std::memcpy(into.data(), ahead.data(), count);
    packed_.move(static_cast<std::ptrdiff_t>(count));
    plain_offset_ += count;
    return count;
  }
};

}  // namespace

std::unique_ptr<Decoder> plain_decoder(PackedReader packed) {
  return std::make_unique<PlainDecoder>(std::move(packed));
}

Result<std::unique_ptr<Decoder>> decoder_at_start(Format format, PackedReader packed, std::uint64_t plain_offset,
                                                  Check check, InflateEngine engine) {
  switch (format) {
    case Format::gzip: return gzip_decoder(std::move(packed), plain_offset, check, engine);
    case Format::zstd: return zstd_decoder(std::move(packed), plain_offset);
    case Format::xz: return xz_decoder(std::move(packed), plain_offset);
    case Format::bzip2: return bzip2_decoder(std::move(packed), plain_offset);
    case Format::plain:
    case Format::unknown: break;
  }
  return fail(EBADMSG, "this is no layer: neither a tar, nor one packed with gzip, zstd, xz or bzip2");
}

Result<std::unique_ptr<Decoder>> decoder_at(Format format, PackedReader packed, const CheckpointView& at, InflateEngine engine) {
  if (at.window.empty()) {
    if (at.packed_bit % 8 != 0) return fail(EBADMSG, "its table of checkpoints is damaged");
    return decoder_at_start(format, std::move(packed), at.plain_offset, at.digest ? Check::structure : Check::everything, engine);
  }
  if (format != Format::gzip) return fail(EBADMSG, "its table of checkpoints is damaged");
  return gzip_decoder_inside(std::move(packed), at.plain_offset, static_cast<unsigned>(at.packed_bit % 8), TRY(unpack_window(at.window)), engine);
}

}  // namespace acetate
