#include "cli/writable_layer.h"

#include <fcntl.h>

#include "base/sys/file.h"

namespace acetate::cli {

namespace {

constexpr std::size_t kMostLines = 1 << 20;

// What the writable layer lies on: a digest for each layer, or its path where nobody knows one.
std::string identity(const image::Image& image) {
  std::string text;
  for (const auto& layer : image.layers)
    text += (layer.digest ? layer.digest->str() : layer.spec.path) + "\n";
  return text;
}

std::string directory_name(const std::string& mountpoint) {
  const auto base = mountpoint.substr(mountpoint.rfind('/') + 1);
  return fmt::format("{}-{}", base.substr(0, 100), Digest::of(mountpoint).hex().substr(0, 12));
}

}  // namespace

Result<WritableLayer> prepare_writable_layer(const std::string& below, const std::string& mountpoint,
                                             const image::Image& image) {
  TRY_WITHIN(sys::make_dirs(below, 0700), "making the directory {}", below);
  const std::string dir = below + "/" + directory_name(mountpoint);
  WritableLayer layer{.upper = dir + "/upper", .work = dir + "/work"};
  const std::string marker_path = dir + "/image";
  const auto known = sys::read_file(marker_path, kMostLines);
  if (known && *known != identity(image))
    return fail(
        EEXIST,
        "what was written at {} before lies in {} and belongs to another image; remove that directory, or "
        "say where to write with --upper and --work",
        mountpoint, dir);
  if (!known && !known.error().is(ENOENT)) return known.error().clone().within("reading " + marker_path);
  TRY_WITHIN(sys::make_dirs(layer.upper, 0755), "making the directory {}", layer.upper);
  TRY_WITHIN(sys::make_dirs(layer.work, 0700), "making the directory {}", layer.work);
  if (known) return layer;
  const Fd fd = TRY_WITHIN(sys::open(dir, O_RDONLY | O_DIRECTORY), "opening {}", dir);
  TRY_WITHIN(sys::write_file_atomically(FileAt{fd.ref(), "image"}, identity(image), 0644), "writing {}",
             marker_path);
  return layer;
}

}  // namespace acetate::cli
