#include "builder/tar_header.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/sys/file.h"

namespace acetate::build {

namespace {
constexpr std::size_t kMagicAt = 257;
}  // namespace

std::optional<std::int64_t> tar_number(const TarBlock& block, TarField field) {
  const char* text = reinterpret_cast<const char*>(block.data()) + field.at;
  const char* end = text + ::strnlen(text, field.length);
  std::int64_t value = 0;
  const auto [stopped, error] = std::from_chars(text, end, value, 8);
  if (error != std::errc() || (stopped != end && *stopped != ' ')) return std::nullopt;
  return value;
}

bool set_tar_number(TarBlock& block, TarField field, std::int64_t value) {
  const std::size_t digits = field.length - 1;
  if (value < 0 || value >> (3 * digits) != 0) return false;
  for (std::size_t n = digits; n-- > 0; value >>= 3) block[field.at + n] = std::byte('0' + (value & 7));
  return true;
}

void set_tar_checksum(TarBlock& block) {
  std::fill_n(block.begin() + kTarChecksum.at, kTarChecksum.length, std::byte{' '});
  std::int64_t sum = 0;
  for (const std::byte byte : block) sum += std::to_integer<int>(byte);
  // Six digits, a zero and a space, as every tar has it.
  set_tar_number(block, {.at = kTarChecksum.at, .length = 7}, sum);
  block[kTarChecksum.at + 6] = std::byte{0};
}

Result<TarBlock> TarBlocks::header() {
  TarBlock block;
  TRY(read(block));
  const auto size = tar_number(block, kTarSize);
  const bool is_end = std::ranges::all_of(block, [](std::byte byte) { return byte == std::byte{0}; });
  // Ours has sizes in octal up to 64 GiB.
  if (!is_end && (!size || std::memcmp(block.data() + kMagicAt, "ustar", 5) != 0))
    return fail(EBADMSG, "a layer of the build cache is no tar of ours, or has a file of 64 GiB in it");
  left_ = size ? (static_cast<std::uint64_t>(*size) + kTarBlock - 1) / kTarBlock * kTarBlock : 0;
  return block;
}

Result<std::span<const std::byte>> TarBlocks::bytes(std::span<std::byte> room) {
  const auto part = room.first(static_cast<std::size_t>(std::min<std::uint64_t>(left_, room.size())));
  TRY(read(part));
  left_ -= part.size();
  return part;
}

Result<void> TarBlocks::read(std::span<std::byte> bytes) {
  if (TRY(sys::pread_full(file_.ref(), bytes, at_)) != bytes.size()) return fail(EBADMSG, "a layer of the build cache ends too early");
  at_ += bytes.size();
  return {};
}

}  // namespace acetate::build
