// acetate save: stored images as an archive or a directory that every other tool reads.
#include <unistd.h>

#include <algorithm>
#include <ostream>

#include "base/sys/file.h"
#include "base/sys/new_file.h"
#include "cli/image_commands.h"
#include "cli/image_source.h"
#include "layers/image/dir_image.h"
#include "layers/image/platform.h"
#include "layers/image/save.h"

namespace acetate::cli {

namespace {

// One image under several of its names is saved once, with all of them.
void merge(std::vector<image::SavedImage>& into, const image::SavedImage& saved) {
  const auto known = std::ranges::find(into, saved.image.target, [](const auto& each) { return each.image.target; });
  if (known == into.end()) {
    into.push_back(saved);
    return;
  }
  for (const auto& name : saved.image.names)
    if (std::ranges::count(known->image.names, name) == 0) known->image.names.push_back(name);
}

Result<void> write_archive(const SaveOptions& options, const std::vector<image::SavedImage>& images, FdRef out) {
  if (options.format == "oci-archive") return image::write_oci_archive(images, out);
  const auto platform = TRY(image::wanted_platform(options.platform));
  return image::write_docker_archive(images, platform, out);
}

Result<void> write_directory(const SaveOptions& options, const std::vector<image::SavedImage>& images) {
  if (options.output.empty()) return fail(EINVAL, "--format {} wants -o DIRECTORY", options.format);
  if (options.format == "docker-dir") {
    if (images.size() > 1) return fail(EINVAL, "--format docker-dir has place for one image");
    return image::write_dir_image(*images[0].files, images[0].image.target, options.output);
  }
  const auto layout = TRY(image::Layout::open(options.output));
  for (const auto& saved : images) {
    TRY(image::copy_image(*saved.files, saved.image.target, *layout));
    auto names = saved.image.names;
    if (names.empty()) names.push_back("latest");
    for (const auto& name : names) TRY(layout->set_reference(name, saved.image.target));
  }
  return {};
}

}  // namespace

Result<int> save_images(const SaveOptions& options, const Context& context) {
  constexpr std::string_view formats[] = {"docker-archive", "oci-archive", "oci-dir", "docker-dir"};
  if (std::ranges::find(formats, options.format) == std::end(formats))
    return fail(EINVAL, "--format knows docker-archive, oci-archive, oci-dir and docker-dir; not \"{}\"", options.format);
  const auto paths = TRY(find_paths());
  std::vector<OpenedImages> opened;
  std::vector<image::SavedImage> images;
  for (const auto& name : options.images) {
    opened.push_back(TRY(open_images(paths, {.kind = image::PlaceKind::store, .where = name})));
    image::SavedImage saved{.files = opened.back().files, .image = opened.back().images.at(0)};
    if (!options.platform.empty())
      saved.image.target = TRY(image::manifest_for(*saved.files, saved.image.target, TRY(image::parse_platform(options.platform))));
    merge(images, saved);
  }
  if (options.format.ends_with("-dir")) {
    TRY(write_directory(options, images));
    return 0;
  }
  if (options.output.empty() || options.output == "-" || options.output == "/dev/stdout") {
    if (context.streams.tty || ::isatty(STDOUT_FILENO) != 0)
      return fail(EINVAL, "an archive is not written to a terminal; say -o FILE or send it to a pipe");
    context.streams.out.flush();
    TRY_WITHIN(write_archive(options, images, FdRef{STDOUT_FILENO}), "writing to standard output");
    return 0;
  }
  auto file = TRY_WITHIN(sys::NewFile::make(options.output, 0644), "writing {}", options.output);
  TRY_WITHIN(write_archive(options, images, file.ref()), "writing {}", options.output);
  TRY_WITHIN(file.commit(), "writing {}", options.output);
  return 0;
}

}  // namespace acetate::cli
