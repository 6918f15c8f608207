#include "layers/image/archive_writer.h"

#include <array>
#include <optional>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/sys/file.h"
#include "layers/image/read_bytes.h"
#include "layers/image/ustar.h"

namespace acetate::image {

namespace {

constexpr std::size_t kBlock = 512;

}  // namespace

Result<void> ArchiveWriter::header(std::string_view name, std::uint64_t size) {
  if (name.size() > kMostName) TRY(sys::write_full(out_, long_name(name)));
  return sys::write_full(out_, ustar_file(name, size));
}

Result<void> ArchiveWriter::pad(std::uint64_t size) {
  constexpr std::array<std::byte, kBlock> zeroes{};
  const auto rest = static_cast<std::size_t>(size % kBlock);
  return rest == 0 ? Result<void>() : sys::write_full(out_, std::span(zeroes).first(kBlock - rest));
}

Result<void> ArchiveWriter::dir(std::string_view name) { return sys::write_full(out_, ustar_dir(name)); }

Result<void> ArchiveWriter::file(std::string_view name, std::string_view text) {
  TRY(header(name, text.size()));
  TRY(sys::write_full(out_, text));
  return pad(text.size());
}

Result<void> ArchiveWriter::file(std::string_view name, const LayerSpec& bytes) {
  const std::uint64_t size = bytes.length.value_or(0);
  TRY(header(name, size));
  std::optional<Hasher> hash;
  if (bytes.digest) hash.emplace(bytes.digest->algorithm());
  // Reads and writes instead of copy_file_range: `out` may be a pipe, and whoever gets the archive has only our word that it is whole.
  TRY(read_bytes(bytes, [&](std::span<const std::byte> part) {
    if (hash) hash->update(part);
    return sys::write_full(out_, part);
  }));
  if (hash && hash->finish() != *bytes.digest)
    return fail(EBADMSG, "{} is damaged: its bytes are not those of {}", bytes.path, bytes.digest->str());
  return pad(size);
}

Result<void> ArchiveWriter::finish() {
  constexpr std::array<std::byte, 2 * kBlock> end{};
  return sys::write_full(out_, end);
}

}  // namespace acetate::image
