#include "layers/image/read_bytes.h"

#include <fcntl.h>

#include <algorithm>
#include <vector>

#include "base/sys/file.h"

namespace acetate::image {

Result<void> read_bytes(const LayerSpec& spec, const std::function<Result<void>(std::span<const std::byte>)>& out) {
  // Never waits for the other end of a FIFO that somebody put where a blob should be.
  const Fd file = TRY_WITHIN(sys::open(spec.path, O_RDONLY | O_NONBLOCK), "opening {}", spec.path);
  std::vector<std::byte> buffer(1 << 20);
  const std::uint64_t end = spec.offset + spec.length.value_or(0);
  for (std::uint64_t at = spec.offset; at < end;) {
    const auto part = std::span(buffer).first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - at)));
    if (TRY_WITHIN(sys::pread_full(file.ref(), part, at), "reading {}", spec.path) < part.size())
      return fail(EIO, "{} became shorter while it was read", spec.path);
    TRY(out(part));
    at += part.size();
  }
  return {};
}

}  // namespace acetate::image
