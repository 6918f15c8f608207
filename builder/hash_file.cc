#include "builder/hash_file.h"

#include <vector>

namespace acetate::build {

Result<Digest> hash_file(const FileView& view) {
  Sha256 hash;
  std::vector<std::byte> buffer(256 << 10);
  for (std::uint64_t at = 0; at < view.size();) {
    const std::size_t got = TRY(view.pread(buffer, at));
    if (got == 0) break;
    hash.update(std::span(buffer).first(got));
    at += got;
  }
  return hash.finish();
}

}  // namespace acetate::build
