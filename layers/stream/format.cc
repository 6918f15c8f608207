#include "layers/stream/format.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>

namespace acetate {

namespace {

using Head = std::span<const std::byte>;

bool begins_with(Head head, std::initializer_list<unsigned char> magic) noexcept {
  return head.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), head.begin(),
                    [](unsigned char want, std::byte have) { return std::byte{want} == have; });
}

// A skippable frame may come first: pzstd and zstd:chunked writers do that.
bool is_zstd(Head head) noexcept {
  if (begins_with(head, {0x28, 0xb5, 0x2f, 0xfd})) return true;
  return head.size() >= 4 && (head[0] & std::byte{0xf0}) == std::byte{0x50} &&
         begins_with(head.subspan(1), {0x2a, 0x4d, 0x18});
}

// The checksum field of a tar header (POSIX pax, ustar Interchange Format): octal digits between spaces and NULs.
std::optional<unsigned> octal_checksum(Head field) noexcept {
  unsigned value = 0;
  bool any = false;
  for (const std::byte b : field) {
    const auto c = static_cast<char>(b);
    if (c >= '0' && c <= '7') {
      value = value * 8 + static_cast<unsigned>(c - '0');
      any = true;
    } else if (c != ' ' && c != '\0') {
      return std::nullopt;
    } else if (any) {
      break;
    }
  }
  return any ? std::optional(value) : std::nullopt;
}

// By the header's checksum, so that v7 archives without "ustar" count too, or an end mark (an empty archive).
bool is_tar_header(Head head) noexcept {
  if (head.size() < kFormatHeadBytes) return false;
  head = head.first(kFormatHeadBytes);
  if (std::ranges::all_of(head, [](std::byte b) { return b == std::byte{0}; })) return true;
  constexpr std::size_t kChecksumAt = 148, kChecksumBytes = 8;
  const auto want = octal_checksum(head.subspan(kChecksumAt, kChecksumBytes));
  unsigned sum = kChecksumBytes * ' ';
  int signed_sum = kChecksumBytes * ' ';  // as some old tars computed it
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (i >= kChecksumAt && i < kChecksumAt + kChecksumBytes) continue;
    sum += static_cast<unsigned char>(head[i]);
    signed_sum += static_cast<signed char>(head[i]);
  }
  return want && (*want == sum || static_cast<int>(*want) == signed_sum);
}

}  // namespace

Format detect_format(Head head) noexcept {
  if (head.empty()) return Format::plain;
  if (begins_with(head, {0x1f, 0x8b, 0x08})) return Format::gzip;
  if (is_zstd(head)) return Format::zstd;
  if (begins_with(head, {0xfd, '7', 'z', 'X', 'Z', 0x00})) return Format::xz;
  if (begins_with(head, {'B', 'Z', 'h'}) && head.size() > 3 && head[3] >= std::byte{'1'} &&
      head[3] <= std::byte{'9'} && !is_tar_header(head)) {
    return Format::bzip2;
  }
  return is_tar_header(head) ? Format::plain : Format::unknown;
}

Result<Format> detect_format(const ByteSource& source) {
  std::array<std::byte, kFormatHeadBytes> head;
  const std::size_t got = TRY(source.pread(head, 0));
  return detect_format(std::span(head).first(got));
}

std::string_view describe(Format format) noexcept {
  switch (format) {
    case Format::unknown: break;
    case Format::plain: return "an uncompressed tar";
    case Format::gzip: return "gzip";
    case Format::zstd: return "zstd";
    case Format::xz: return "xz";
    case Format::bzip2: return "bzip2";
  }
  return "of a format we do not know";
}

}  // namespace acetate
