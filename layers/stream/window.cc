#include "layers/stream/window.h"

#include <zstd.h>

#include <cassert>
#include <cerrno>
#include <new>

namespace acetate {

std::vector<std::byte> pack_window(std::span<const std::byte> window) {
  assert(window.size() <= kWindowBytes);
  std::vector<std::byte> packed(ZSTD_compressBound(window.size()));
  const std::size_t size = ZSTD_compress(packed.data(), packed.size(), window.data(), window.size(), 1);
  // Into a buffer of compressBound() compression cannot fail but for memory.
  if (ZSTD_isError(size)) throw std::bad_alloc();
  packed.resize(size);
  packed.shrink_to_fit();
  return packed;
}

Result<std::vector<std::byte>> unpack_window(std::span<const std::byte> packed) {
  const unsigned long long size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (size > kWindowBytes) return fail(EBADMSG, "the window of a checkpoint is damaged");  // errors are huge
  std::vector<std::byte> window(static_cast<std::size_t>(size));
  const std::size_t got = ZSTD_decompress(window.data(), window.size(), packed.data(), packed.size());
  if (ZSTD_isError(got) || got != window.size()) {
    return fail(EBADMSG, "the window of a checkpoint is damaged: {}",
                ZSTD_isError(got) ? ZSTD_getErrorName(got) : "it has the wrong size");
  }
  return window;
}

}  // namespace acetate
