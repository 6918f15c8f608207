// xz: streams one after another, with zeroes in fours between them (the .xz file format §2). Their checks (CRC-32,
// CRC-64, SHA-256) are liblzma's to see to. Only the beginning of a stream is a start.
#include <lzma.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "layers/stream/decoder.h"

namespace acetate {

namespace {

// xz -9 needs 65 MiB to decode; a header may ask for 4 GiB.
constexpr std::uint64_t kMostMemory = std::uint64_t{256} << 20;

class XzDecoder final : public Decoder {
 public:
  XzDecoder(PackedReader packed, std::uint64_t plain_offset) : Decoder(std::move(packed), plain_offset) {}
  XzDecoder(const XzDecoder&) = delete;
  XzDecoder& operator=(const XzDecoder&) = delete;
  ~XzDecoder() override { ::lzma_end(&stream_); }

  Result<std::size_t> read(std::span<std::byte> into, Stop stop) override;

 private:
  Result<bool> another_begins();
  Error told(lzma_ret code) const;

  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool between_ = true;
  bool any_ = false;
};

// Zeroes before it are padding; what is no stream is trailing.
Result<bool> XzDecoder::another_begins() {
  constexpr std::array<unsigned char, 6> kMagic{0xfd, '7', 'z', 'X', 'Z', 0};
  for (;;) {
    const auto ahead = TRY(packed_.ahead(kMagic.size()));
    if (any_ && ahead.size() >= 4 && std::ranges::all_of(ahead.first(4), [](std::byte b) { return b == std::byte{0}; })) {
      packed_.move(4);
      continue;
    }
    return ahead.size() >= kMagic.size() &&
           std::equal(kMagic.begin(), kMagic.end(), ahead.begin(),
                      [](unsigned char want, std::byte have) { return std::byte{want} == have; });
  }
}

Error XzDecoder::told(lzma_ret code) const {
  switch (code) {
    case LZMA_MEM_ERROR: return Error(ENOMEM);
    case LZMA_MEMLIMIT_ERROR:
      return fail(EFBIG, "the xz data needs more than {} MiB of memory to decode", kMostMemory >> 20);
    case LZMA_OPTIONS_ERROR: return damaged(Format::xz, "it uses a filter or check that is not known");
    case LZMA_FORMAT_ERROR: return damaged(Format::xz, "no xz stream begins here");
    default: return damaged(Format::xz, "invalid data or a checksum that does not match");
  }
}

Result<std::size_t> XzDecoder::read(std::span<std::byte> into, Stop stop) {
  start_.reset();
  for (;;) {
    if (at_end_) return std::size_t{0};
    if (between_) {
      if (!TRY(another_begins())) {
        if (!any_) return damaged(Format::xz, "no xz stream begins here");
        at_end_ = true;
        return std::size_t{0};
      }
      if (const lzma_ret code = ::lzma_stream_decoder(&stream_, kMostMemory, 0); code != LZMA_OK) return told(code);
      between_ = false;
      any_ = true;
    }
    const auto ahead = TRY(packed_.ahead());
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(ahead.data());
    stream_.avail_in = ahead.size();
    stream_.next_out = reinterpret_cast<std::uint8_t*>(into.data());
    stream_.avail_out = into.size();
    const lzma_ret code = ::lzma_code(&stream_, LZMA_RUN);
    packed_.move(static_cast<std::ptrdiff_t>(ahead.size() - stream_.avail_in));
    const std::size_t produced = into.size() - stream_.avail_out;
    plain_offset_ += produced;
    between_ = code == LZMA_STREAM_END;
    if (code != LZMA_OK && code != LZMA_STREAM_END && code != LZMA_BUF_ERROR) return told(code);
    if (!between_ && ahead.empty() && produced == 0) return cut_off(Format::xz);
    if (between_ && stop == Stop::at_starts && TRY(another_begins())) {
      start_ = StartPoint{packed_.position() * 8, false};
      return produced;
    }
    if (produced > 0) return produced;
  }
}

}  // namespace

Result<std::unique_ptr<Decoder>> xz_decoder(PackedReader packed, std::uint64_t plain_offset) {
  return std::unique_ptr<Decoder>(std::make_unique<XzDecoder>(std::move(packed), plain_offset));
}

}  // namespace acetate
