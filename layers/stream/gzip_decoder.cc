// gzip: members one after another, each a header, a deflate stream, and the CRC-32 and length of what it holds.
#include <zlib.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "base/bytes.h"
#include "layers/stream/decoder.h"
#include "layers/stream/gzip_header.h"
#include "layers/stream/inflater.h"

namespace acetate {

namespace {

class GzipDecoder final : public Decoder {
 public:
  GzipDecoder(PackedReader packed, std::uint64_t plain_offset, std::unique_ptr<Inflater> inflater, bool check)
      : Decoder(std::move(packed), plain_offset), inflater_(std::move(inflater)), check_(check) {}

  Result<void> resume(unsigned bits_taken, std::span<const std::byte> window);
  Result<std::size_t> read(std::span<std::byte> into, Stop stop) override;

 private:
  enum class Part { header, body, trailer, end };

  Result<void> begin_member();
  Result<std::size_t> inflate(std::span<std::byte> into, Stop stop);
  Result<void> end_member();
  // Whether another member follows; what does not look like one is trailing.
  Result<void> look_for_member(Stop stop);
  Error at_this_place(Error error) const;

  std::unique_ptr<Inflater> inflater_;
  bool check_;
  Part part_ = Part::header;
  bool whole_ = false;  // we decode this member from its beginning, so its checksum can be checked
  uLong crc_ = 0;
  std::uint64_t member_bytes_ = 0;
};

Result<void> GzipDecoder::resume(unsigned bits_taken, std::span<const std::byte> window) {
  std::byte byte{};
  if (bits_taken > 0) {
    const auto ahead = TRY(packed_.ahead());
    if (ahead.empty()) return cut_off(Format::gzip);
    byte = ahead[0];
    packed_.move(1);
  }
  TRY(inflater_->resume((8 - bits_taken) % 8, byte, window));
  part_ = Part::body;
  return {};
}

Result<std::size_t> GzipDecoder::read(std::span<std::byte> into, Stop stop) {
  start_.reset();
  for (;;) {
    switch (part_) {
      case Part::header: TRY(begin_member()); break;
      case Part::body: {
        const std::size_t produced = TRY(inflate(into, stop));
        if (produced > 0 || start_) return produced;
        break;
      }
      case Part::trailer:
        TRY(end_member());
        TRY(look_for_member(stop));
        if (start_) return std::size_t{0};
        break;
      case Part::end: at_end_ = true; return std::size_t{0};
    }
  }
}

Result<void> GzipDecoder::begin_member() {
  if (auto skipped = skip_gzip_header(packed_); !skipped) return at_this_place(std::move(skipped).error());
  TRY(inflater_->begin());
  crc_ = ::crc32(0, nullptr, 0);
  member_bytes_ = 0;
  whole_ = true;
  part_ = Part::body;
  return {};
}

Result<std::size_t> GzipDecoder::inflate(std::span<std::byte> into, Stop stop) {
  const auto ahead = TRY(packed_.ahead());
  auto stepped = inflater_->step(ahead, into, stop == Stop::at_starts);
  if (!stepped) return at_this_place(std::move(stepped).error());
  const Inflater::Step step = *stepped;
  packed_.move(step.consumed);
  plain_offset_ += step.produced;
  member_bytes_ += step.produced;
  if (check_ && whole_) crc_ = ::crc32_z(crc_, reinterpret_cast<const Bytef*>(into.data()), step.produced);
  if (step.at == Inflater::At::end) {
    part_ = Part::trailer;
  } else if (step.at == Inflater::At::block_start) {
    if (stop == Stop::at_starts) start_ = StartPoint{packed_.position() * 8 - step.unused_bits, true};
  } else if (ahead.empty() && step.produced == 0) {
    return cut_off(Format::gzip);
  }
  return step.produced;
}

Result<void> GzipDecoder::end_member() {
  const auto ahead = TRY(packed_.ahead(8));
  ByteReader trailer(ahead);
  const auto crc = trailer.get<std::uint32_t>();
  const auto size = trailer.get<std::uint32_t>();
  if (!crc || !size) return cut_off(Format::gzip);
  if (whole_ && *size != static_cast<std::uint32_t>(member_bytes_)) {
    return damaged(Format::gzip, fmt::format("{} bytes were decoded where the member says {} (modulo 2^32)",
                                             member_bytes_, *size));
  }
  if (check_ && whole_ && *crc != crc_) {
    return damaged(Format::gzip, "the checksum (CRC-32) of the member does not match");
  }
  packed_.move(8);
  return {};
}

Result<void> GzipDecoder::look_for_member(Stop stop) {
  switch (TRY(next_gzip(packed_))) {
    case GzipNext::member:
      part_ = Part::header;
      if (stop == Stop::at_starts) start_ = StartPoint{packed_.position() * 8, false};
      return {};
    case GzipNext::nothing: part_ = Part::end; return {};
    case GzipNext::cut_off: break;
  }
  return cut_off(Format::gzip);
}

// Errors of the source know their place; those of header and deflate parsing learn it here.
Error GzipDecoder::at_this_place(Error error) const {
  if (error.is(ENODATA)) return cut_off(Format::gzip);
  if (error.is(EBADMSG)) return damaged(Format::gzip, error.message());
  return error;
}

}  // namespace

Result<std::unique_ptr<Decoder>> gzip_decoder(PackedReader packed, std::uint64_t plain_offset, Check check,
                                              InflateEngine engine) {
  auto inflater = TRY(make_inflater(engine));
  return std::unique_ptr<Decoder>(std::make_unique<GzipDecoder>(std::move(packed), plain_offset,
                                                                std::move(inflater), check == Check::everything));
}

Result<std::unique_ptr<Decoder>> gzip_decoder_inside(PackedReader packed, std::uint64_t plain_offset,
                                                     unsigned bits_taken, std::span<const std::byte> window,
                                                     InflateEngine engine) {
  auto inflater = TRY(make_inflater(engine));
  auto decoder = std::make_unique<GzipDecoder>(std::move(packed), plain_offset, std::move(inflater), false);
  TRY(decoder->resume(bits_taken, window));
  return std::unique_ptr<Decoder>(std::move(decoder));
}

}  // namespace acetate
