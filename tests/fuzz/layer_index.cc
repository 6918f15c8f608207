// An index whose checksums are all right and whose content is anybody's: asked for everything.
#include "tests/fuzz/targets.h"

#include <cstring>

#include "layers/stream/seekable.h"
#include "layers/tar/index_format.h"
#include "layers/tar/tar_layer.h"
#include "tests/layers/tar/resigned.h"
#include "tests/layers/tar/scanned.h"

namespace acetate::fuzz {

Result<LayerIndexPtr> any_index(std::span<const std::byte> bytes) {
  if (bytes.size() < lix::kHeaderBytes) return Error(EBADMSG);
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  // Size and version are right too, so that growing and shrinking inputs are looked into, and a corpus of an older version.
  const std::uint64_t size = text.size();
  std::memcpy(text.data() + offsetof(lix::Header, file_bytes), &size, sizeof size);
  std::memcpy(text.data() + offsetof(lix::Header, major), &lix::kMajor, sizeof lix::kMajor);
  const Digest blob(Digest::Algorithm::sha256, bytes.subspan(offsetof(lix::Header, blob), Digest::kHeadBytes));
  return test::index_from(test::signed_again(std::move(text)), blob);
}

int layer_index(std::span<const std::byte> bytes) {
  const auto index = any_index(bytes);
  if (!index) return 0;
  auto plain = seekable_source({.packed = memory_source(std::vector<std::byte>(4096)),
                                .format = (*index)->facts().format,
                                .plain_size = std::min<std::uint64_t>((*index)->facts().plain_bytes, 1 << 20),
                                .checkpoints = LayerIndex::checkpoints(*index)});
  if (!plain) return 0;
  const LayerPtr layer = make_tar_layer(*index, *std::move(plain));
  (void)layer->lookup(layer->root(), "no such name");
  (void)test::listing_of(*layer, true, 1 << 20);
  return 0;
}

}  // namespace acetate::fuzz
