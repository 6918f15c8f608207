#include "layers/stream/gzip_header.h"

#include <zlib.h>

#include <cerrno>
#include <cstdint>

namespace acetate {

namespace {

enum Flag : unsigned {
  kHeaderCrc = 2,
  kExtra = 4,
  kName = 8,
  kComment = 16,
  kReserved = 0xe0,
};

// Takes header bytes one by one, and sums them up for FHCRC.
class HeaderBytes {
 public:
  explicit HeaderBytes(PackedReader& packed) : packed_(packed) {}

  Result<unsigned> next() {
    const auto ahead = TRY(packed_.ahead());
    if (ahead.empty()) return Error(ENODATA);
    const auto value = static_cast<unsigned>(ahead[0]);
    const auto raw = static_cast<Bytef>(value);
    crc_ = ::crc32(crc_, &raw, 1);
    packed_.move(1);
    return value;
  }
  Result<unsigned> next16() {
    const unsigned low = TRY(next());
    return low | TRY(next()) << 8;
  }
  Result<void> skip(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) TRY(next());
    return {};
  }
  Result<void> skip_text() {
    while (TRY(next()) != 0) {
    }
    return {};
  }
  unsigned crc16() const noexcept { return static_cast<unsigned>(crc_) & 0xffff; }

 private:
  PackedReader& packed_;
  uLong crc_ = ::crc32(0, nullptr, 0);
};

}  // namespace

Result<GzipNext> next_gzip(PackedReader& packed) {
  const auto ahead = TRY(packed.ahead(3));
  if (ahead.empty() || ahead[0] != std::byte{0x1f}) return GzipNext::nothing;
  if (ahead.size() == 1) return GzipNext::cut_off;
  if (ahead[1] != std::byte{0x8b}) return GzipNext::nothing;
  return ahead.size() == 2 ? GzipNext::cut_off : GzipNext::member;
}

Result<void> skip_gzip_header(PackedReader& packed) {
  HeaderBytes bytes(packed);
  if (TRY(bytes.next16()) != 0x8b1f) return fail(EBADMSG, "no gzip member begins here");
  if (TRY(bytes.next()) != Z_DEFLATED) return fail(EBADMSG, "a gzip member with an unknown method");
  const unsigned flags = TRY(bytes.next());
  if ((flags & kReserved) != 0) return fail(EBADMSG, "a gzip member with unknown flags");
  TRY(bytes.skip(6));  // time, extra flags, operating system
  if ((flags & kExtra) != 0) TRY(bytes.skip(TRY(bytes.next16())));
  if ((flags & kName) != 0) TRY(bytes.skip_text());
  if ((flags & kComment) != 0) TRY(bytes.skip_text());
  if ((flags & kHeaderCrc) != 0) {
    const unsigned want = bytes.crc16();
    if (TRY(bytes.next16()) != want) return fail(EBADMSG, "the header's checksum does not match");
  }
  return {};
}

}  // namespace acetate
