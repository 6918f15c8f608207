#include "layers/tar/toc_place.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/number.h"
#include "layers/stream/decoder.h"

namespace acetate {

namespace {

using namespace std::string_view_literals;

constexpr std::size_t kPackedBuffer = std::size_t{64} << 10;
constexpr std::size_t kLongestFooter = 72;  // 64 bytes in a skippable frame

// An empty gzip member whose extra field says where the last tar entry begins.
Result<std::optional<TocPlace>> estargz(std::string_view end, std::uint64_t size) {
  constexpr std::string_view kHeader = "\x1f\x8b\x08\x04"sv, kExternal = "STARGZEXTERNALTOC"sv, kMagic = "STARGZ"sv;
  if (end.size() >= 46 && end.substr(end.size() - 46).starts_with(kHeader) && end.find(kExternal) != end.npos)
    return fail(ENOTSUP, "its table of contents lies outside the layer (estargz with an external TOC), which is not read; "
                         "the layer itself can be");
  for (const std::size_t footer : {std::size_t{51}, std::size_t{47}}) {
    if (end.size() < footer) continue;
    const std::string_view text = end.substr(end.size() - footer);
    const std::size_t digits_at = footer == 51 ? 16 : 12;
    if (!text.starts_with(kHeader) || text.substr(digits_at + 16, kMagic.size()) != kMagic) continue;
    const std::string_view digits = text.substr(digits_at, 16);
    const auto offset = number_of<std::uint64_t>(digits, 16);
    if (!offset || *offset >= size - footer) continue;
    return std::optional(TocPlace{Format::gzip, *offset, size - footer - *offset});
  }
  return std::optional<TocPlace>();
}

// Numbers at the end of a skippable frame: offset, packed and plain length of the table, its type (1), and, in the
// newer footer, where the tar-split data lies.
std::optional<TocPlace> zstd_chunked(std::span<const std::byte> end, std::uint64_t size) {
  struct Generation {
    std::size_t bytes;
    std::string_view magic;
  };
  // The older one has a small 'n', as skopeo 1.9 writes it; both are met with both lengths.
  for (const Generation& one : {Generation{64, "GNUlInUx"}, {64, "GnUlInUx"}, {40, "GNUlInUx"}, {40, "GnUlInUx"}}) {
    if (end.size() < one.bytes) continue;
    const auto footer = end.last(one.bytes);
    if (as_text(footer.last(8)) != one.magic) continue;
    ByteReader numbers(footer);
    const auto offset = numbers.get<std::uint64_t>();
    const auto length = numbers.get<std::uint64_t>();
    if (offset && length && *length != 0 && in_bounds(*offset, *length, size))
      return TocPlace{Format::zstd, *offset, *length};
  }
  return std::nullopt;
}

// The JSON is one entry of a tar in eStargz, and bare in zstd:chunked.
Result<std::string> json_in(std::string unpacked, Format format) {
  if (format == Format::zstd) return unpacked;
  constexpr std::size_t kBlock = 512;
  constexpr std::string_view kName = "stargz.index.json";
  if (unpacked.size() < kBlock || std::string_view(unpacked).substr(0, kName.size()) != kName)
    return fail(EBADMSG, "where its footer says, there is no table of contents");
  std::uint64_t size = 0;
  const std::string_view octal = std::string_view(unpacked).substr(124, 11);
  const auto [stop, failure] = std::from_chars(octal.data(), octal.data() + octal.size(), size, 8);
  if (failure != std::errc() || !in_bounds(kBlock, size, unpacked.size()))
    return fail(EBADMSG, "its table of contents is cut off");
  return unpacked.substr(kBlock, size);
}

Result<void> check(const Digest& found, const Digest& expected) {
  if (found == expected) return {};
  return fail(EBADMSG, "its table of contents is {} and not {}", found.str(), expected.str());
}

Result<Digest> packed_digest(const ByteSource& packed, const TocPlace& place, Digest::Algorithm algorithm) {
  std::vector<std::byte> bytes(place.length);
  if (TRY(packed.pread(bytes, place.offset)) != bytes.size())
    return fail(EBADMSG, "its table of contents is cut off");
  return Digest::of(bytes, algorithm);
}

}  // namespace

Result<std::optional<TocPlace>> find_toc(const ByteSource& packed) {
  const std::uint64_t size = packed.size();
  std::array<std::byte, kLongestFooter> buffer{};
  const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(size, buffer.size()));
  const std::size_t got = TRY(packed.pread(std::span(buffer).first(count), size - count));
  const auto end = std::span<const std::byte>(buffer).first(got);
  auto found = TRY(estargz(as_text(end), size));
  if (!found) found = zstd_chunked(end, size);
  return found;
}

Result<std::string> read_toc(const SourcePtr& packed, const TocPlace& place, const std::optional<Digest>& digest) {
  const auto too_large = [] { return fail(EFBIG, "its table of contents has more than {} bytes", kMostTocBytes); };
  if (place.length > kMostTocBytes) return too_large();
  TRY(packed->bring(place.offset, place.length));
  const bool is_proved = digest && place.format == Format::zstd && TRY(packed_digest(*packed, place, digest->algorithm())) == *digest;
  const auto decoder = TRY(decoder_at_start(place.format, PackedReader(packed, place.offset, kPackedBuffer), 0,
                                            Check::everything, InflateEngine::fastest));
  std::string unpacked;
  std::array<std::byte, 65536> piece;
  for (;;) {
    const std::size_t count = TRY(decoder->read(piece, Decoder::Stop::at_starts));
    unpacked += as_text(std::span(piece).first(count));
    if (unpacked.size() > kMostTocBytes) return too_large();
    // What follows in zstd:chunked is tar-split data, and in eStargz the footer.
    if (count == 0 && (decoder->at_end() || (decoder->start() && !decoder->start()->needs_window))) break;
    if (place.format == Format::zstd && decoder->start()) break;
    if (decoder->packed().position() >= place.offset + place.length && count == 0) break;
  }
  std::string json = TRY(json_in(std::move(unpacked), place.format));
  if (digest && !is_proved) TRY(check(Digest::of(json, digest->algorithm()), *digest));
  return json;
}

}  // namespace acetate
