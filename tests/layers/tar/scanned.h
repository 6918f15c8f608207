// A tarball in memory as a layer, without anything on disk.
#pragma once

#include <string>
#include <string_view>

#include "layers/layer.h"
#include "layers/tar/index_store.h"
#include "layers/tar/tar_scan.h"

namespace acetate::test {

// Scans, writes the index to memory, reads it back and lays a layer over it.
Result<LayerPtr> layer_of(std::string_view packed, const TarScanOptions& options = {});
// The same; a failure of the test, and an empty layer, where it fails.
LayerPtr made(std::string_view packed);
// Those bytes as an index.
Result<LayerIndexPtr> index_from(std::string_view bytes, const Digest& blob, std::uint64_t verified_whole = IndexFile::kVerifiedWhole);
// The index of a tarball, as bytes.
std::string index_bytes(std::string_view packed, Digest* blob);

// "PATH TYPE MODE UID:GID SIZE MTIME NLINK RDEV [TARGET] [XATTRS] [SHA256]" of everything, by path; of long files only
// the first bytes are looked at.
std::string listing_of(const Layer& layer, bool with_nlink = true, std::uint64_t most_bytes = 8 << 20);

// What went wrong, or "nothing".
template <class T>
std::string words(const Result<T>& result) {
  return result ? "nothing" : result.error().message();
}

}  // namespace acetate::test
