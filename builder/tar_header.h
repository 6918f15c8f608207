// Headers of the tars that we write ourselves, as blocks: for who compares or changes single fields and copies all else as it is.
// POSIX ustar; what it has no room for stands in pax entries before, which are entries like others here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::build {

inline constexpr std::size_t kTarBlock = 512;
using TarBlock = std::array<std::byte, kTarBlock>;

// Where a field begins, and its length.
struct TarField {
  std::size_t at, length;
};
inline constexpr TarField kTarSize{124, 12}, kTarTime{136, 12}, kTarChecksum{148, 8};
inline constexpr std::size_t kTarType = 156;

// An octal number; nothing for what is none, such as a number in binary.
std::optional<std::int64_t> tar_number(const TarBlock& block, TarField field);
// As libarchive writes one: zeros in front, no end where there is no room for it. False, and nothing written, for what does not fit.
bool set_tar_number(TarBlock& block, TarField field, std::int64_t value);
// The checksum over the block as it is now.
void set_tar_checksum(TarBlock& block);

// A tar read from its beginning to its end.
class TarBlocks {
 public:
  explicit TarBlocks(Fd file) : file_(std::move(file)) {}
  // The next header, or one of the zeros at the end. What is left of the entry before it must have been read. EBADMSG with words where the file
  // ends, for what is no header of ustar, and for an entry of 64 GiB or more.
  Result<TarBlock> header();
  // What is left of the entry's bytes, with what fills the last block, as far as there is room; none at its end.
  Result<std::span<const std::byte>> bytes(std::span<std::byte> room);
  // How far it is read.
  std::uint64_t at() const { return at_; }

 private:
  Result<void> read(std::span<std::byte> bytes);
  Fd file_;
  std::uint64_t at_ = 0, left_ = 0;
};

}  // namespace acetate::build
