// A tarball, packed or not: scanned, indexed, and every file of it read.
#include <sys/stat.h>

#include "layers/tar/index_writer.h"
#include "layers/tar/tar_scan.h"
#include "tests/fuzz/targets.h"
#include "tests/layers/tar/scanned.h"

namespace acetate::fuzz {

int tar_scan(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  TarScanOptions options;
  options.pass.most_plain_bytes = 4 << 20;
  options.limits.entries = 2000;
  // A sparse file may be as large as it likes to be; reading its holes takes long and tells nothing.
  if (const auto layer = test::layer_of(text, options)) (void)test::listing_of(**layer, true, 1 << 20);
  return 0;
}

}  // namespace acetate::fuzz
