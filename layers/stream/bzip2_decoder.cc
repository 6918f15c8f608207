// bzip2: streams one after another, each with its own CRC-32, which libbz2 sees to. Only the beginning of a stream
// is a start. (Blocks could be, at any bit, but libbz2 offers no way in.)
#include <bzlib.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "layers/stream/decoder.h"

namespace acetate {

namespace {

class Bzip2Decoder final : public Decoder {
 public:
  Bzip2Decoder(PackedReader packed, std::uint64_t plain_offset) : Decoder(std::move(packed), plain_offset) {}
  Bzip2Decoder(const Bzip2Decoder&) = delete;
  Bzip2Decoder& operator=(const Bzip2Decoder&) = delete;
  ~Bzip2Decoder() override { ::BZ2_bzDecompressEnd(&stream_); }

  Result<std::size_t> read(std::span<std::byte> into, Stop stop) override;

 private:
  Result<bool> another_begins();
  Result<void> begin_stream();

  bz_stream stream_{};
  bool between_ = true;
  bool any_ = false;
};

Result<bool> Bzip2Decoder::another_begins() {
  const auto ahead = TRY(packed_.ahead(4));
  return ahead.size() >= 4 && ahead[0] == std::byte{'B'} && ahead[1] == std::byte{'Z'} && ahead[2] == std::byte{'h'} &&
         ahead[3] >= std::byte{'1'} && ahead[3] <= std::byte{'9'};
}

Result<void> Bzip2Decoder::begin_stream() {
  ::BZ2_bzDecompressEnd(&stream_);
  stream_ = {};
  if (::BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK) return Error(ENOMEM);
  between_ = false;
  any_ = true;
  return {};
}

Result<std::size_t> Bzip2Decoder::read(std::span<std::byte> into, Stop stop) {
  start_.reset();
  for (;;) {
    if (at_end_) return std::size_t{0};
    if (between_) {
      if (!TRY(another_begins())) {
        if (!any_) return damaged(Format::bzip2, "no bzip2 stream begins here");
        at_end_ = true;
        return std::size_t{0};
      }
      TRY(begin_stream());
    }
    constexpr std::size_t kMost = std::numeric_limits<unsigned>::max();
    const auto ahead = TRY(packed_.ahead());
    const auto given = static_cast<unsigned>(std::min(ahead.size(), kMost));
    // libbz2's interface is not const-correct for input; it never writes there.
    stream_.next_in = const_cast<char*>(reinterpret_cast<const char*>(ahead.data()));
    stream_.avail_in = given;
    stream_.next_out = reinterpret_cast<char*>(into.data());
    stream_.avail_out = static_cast<unsigned>(std::min(into.size(), kMost));
    const unsigned room = stream_.avail_out;
    const int code = ::BZ2_bzDecompress(&stream_);
    packed_.move(static_cast<std::ptrdiff_t>(given - stream_.avail_in));
    const std::size_t produced = room - stream_.avail_out;
    plain_offset_ += produced;
    if (code == BZ_MEM_ERROR) return Error(ENOMEM);
    if (code != BZ_OK && code != BZ_STREAM_END)
      return damaged(Format::bzip2, "invalid data or a checksum that does not match");
    between_ = code == BZ_STREAM_END;
    if (!between_ && ahead.empty() && produced == 0) return cut_off(Format::bzip2);
    if (between_ && stop == Stop::at_starts && TRY(another_begins())) {
      start_ = StartPoint{packed_.position() * 8, false};
      return produced;
    }
    if (produced > 0) return produced;
  }
}

}  // namespace

Result<std::unique_ptr<Decoder>> bzip2_decoder(PackedReader packed, std::uint64_t plain_offset) {
  return std::unique_ptr<Decoder>(std::make_unique<Bzip2Decoder>(std::move(packed), plain_offset));
}

}  // namespace acetate
