#include "builder/tarball.h"

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "base/sys/file.h"
#include "layers/stack.h"
#include "layers/stream/first_pass.h"
#include "layers/stream/format.h"

namespace acetate::build {

namespace {

constexpr std::size_t kBlock = 512;

// A header's checksum holds: the sum of its bytes with the checksum field taken as blanks (POSIX pax, "ustar").
bool is_tar_header(std::span<const std::byte> block) {
  if (block.size() < kBlock) return false;
  unsigned sum = 0;
  for (std::size_t n = 0; n < kBlock; ++n)
    sum += n >= 148 && n < 156 ? unsigned{' '} : std::to_integer<unsigned>(block[n]);
  unsigned written = 0;
  bool digits = false;
  for (std::size_t n = 148; n < 156; ++n) {
    const auto c = std::to_integer<unsigned char>(block[n]);
    if (c >= '0' && c <= '7') {
      written = written * 8 + (c - '0');
      digits = true;
    } else if (digits) {
      break;
    } else if (c != ' ') {
      return false;
    }
  }
  return digits && written == sum;
}

Result<bool> begins_like_tar(SourcePtr source) {
  std::array<std::byte, kBlock> block{};
  auto pass = FirstPass::open(std::move(source));
  if (!pass) return false;  // packed, but with nothing in it that can be read
  std::size_t have = 0;
  while (have < block.size()) {
    const auto got = pass->read(std::span(block).subspan(have));
    if (!got || *got == 0) return false;
    have += *got;
  }
  return is_tar_header(block);
}

}  // namespace

Result<std::optional<LayerPtr>> open_tarball(Fd file, LayerOpener& layers) {
  const SourcePtr source = TRY(file_source(TRY(sys::dup(file.ref()))));
  const Format format = TRY(detect_format(*source));
  if (format == Format::unknown) return std::optional<LayerPtr>();
  if (source->size() == 0 || !TRY(begins_like_tar(source))) return std::optional<LayerPtr>();
  const LayerPtr tar = TRY(layers.open_file(std::move(file)));
  return std::optional<LayerPtr>(TRY(make_stack({tar})));
}

}  // namespace acetate::build
