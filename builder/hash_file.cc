#include "builder/hash_file.h"

#include <algorithm>
#include <memory>
#include <span>

namespace acetate::build {

Result<Digest> hash_file(const FileView& view) {
  Sha256 hash;
  // Most files are small: no more room, which is not cleared, than one needs.
  const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(view.size(), 256 << 10));
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(room);
  for (std::uint64_t at = 0; at < view.size();) {
    const std::size_t got = TRY(view.pread(std::span(buffer.get(), room), at));
    if (got == 0) break;
    hash.update(std::span(buffer.get(), got));
    at += got;
  }
  return hash.finish();
}

}  // namespace acetate::build
