#include "builder/tarball.h"

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "base/sys/file.h"
#include "builder/each_below.h"
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

// As a layer it may delete what lies below it, and name files that are there. As what is unpacked it has nothing below it: what it would leave out or lose is said.
Result<void> refuse_what_only_layers_mean(const Layer& tar) {
  const auto refuse_opaque = [](const std::string& path) {
    return fail(EINVAL, "/{} in it holds .wh..wh..opq, which deletes files of a layer below: a tarball that is unpacked has none", path);
  };
  if (TRY(tar.is_opaque(tar.root()))) return refuse_opaque("");
  return each_below(tar, tar.root(), [&](const std::string& path, const Entry& entry) -> Result<Descent> {
    if (entry.marker == Marker::opaque) return refuse_opaque(path);
    if (entry.marker == Marker::whiteout) return fail(EINVAL, "/{} in it is told to be deleted: names that begin with .wh. stand for deleted files", path);
    if (entry.marker == Marker::link_to)
      return fail(ENOENT, "/{} in it is a hard link to /{}, which is not in it", path, TRY(tar.link_target(entry.node)));
    return Descent::on;
  });
}

}  // namespace

Result<std::optional<LayerPtr>> open_tarball(Fd file, LayerOpener& layers) {
  const SourcePtr source = TRY(file_source(TRY(sys::dup(file.ref()))));
  const Format format = TRY(detect_format(*source));
  if (format == Format::unknown) return std::optional<LayerPtr>();
  if (source->size() == 0 || !TRY(begins_like_tar(source))) return std::optional<LayerPtr>();
  const LayerPtr tar = TRY(layers.open_file(std::move(file)));
  TRY(refuse_what_only_layers_mean(*tar));
  return std::optional<LayerPtr>(TRY(make_stack({tar})));
}

}  // namespace acetate::build
