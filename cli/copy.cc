// acetate copy: an image from one place to another, whole and with the digests it has.
#include <ostream>

#include "base/sys/file.h"
#include "base/sys/new_file.h"
#include "cli/image_commands.h"
#include "cli/image_source.h"
#include "cli/registry_copy.h"
#include "layers/image/dir_image.h"
#include "layers/image/platform.h"
#include "layers/image/save.h"

namespace acetate::cli {

namespace {

using image::PlaceKind;

Result<void> write_file(const image::ImagePlace& to, const image::SavedImage& saved) {
  auto file = TRY_WITHIN(sys::NewFile::make(to.where, 0644), "writing {}", to.where);
  const auto written = to.kind == PlaceKind::oci_archive
                           ? image::write_oci_archive({saved}, file.ref())
                           : image::write_docker_archive({saved}, image::host_platform(), file.ref());
  TRY_WITHIN(written.has_value() ? Result<void>() : written.error().clone(), "writing {}", to.where);
  return TRY_WITHIN(file.commit(), "writing {}", to.where);
}

Result<void> write_to(const Paths& paths, const image::ImagePlace& to, image::SavedImage saved) {
  if (to.name) saved.image.names = {*to.name};
  const auto& target = saved.image.target;
  switch (to.kind) {
    case PlaceKind::store: {
      const auto name = TRY(image::parse_reference(to.where));
      const auto store = TRY(image::ImageStore::open(TRY(store_place(paths))));
      TRY(image::copy_image(*saved.files, target, *store));
      return store->set_reference(name, target);
    }
    case PlaceKind::oci: {
      const auto layout = TRY(image::Layout::open(to.where));
      TRY(image::copy_image(*saved.files, target, *layout));
      if (saved.image.names.empty()) saved.image.names = {"latest"};
      for (const auto& name : saved.image.names) TRY(layout->set_reference(name, target));
      return {};
    }
    case PlaceKind::oci_archive:
    case PlaceKind::docker_archive:
      return write_file(to, saved);
    case PlaceKind::dir:
      return image::write_dir_image(*saved.files, target, to.where);
    case PlaceKind::registry:
      break;
  }
  return fail(EINVAL, "{} is no place on this machine", image::format_image_place(to));
}

}  // namespace

Result<int> copy_between(const CopyOptions& options, const Context& context) {
  const auto from = TRY(image::parse_image_place(options.from));
  const auto to = TRY(image::parse_image_place(options.to));
  const auto paths = TRY(find_paths());
  const auto opened = TRY(from.kind == PlaceKind::registry ? fetch_image(paths, from, to, options, context.streams)
                                                            : open_images(paths, from));
  if (opened.images.empty()) return fail(ENOENT, "{} holds no image", opened.files->where());
  if (opened.images.size() > 1) {
    std::string names;
    for (const auto& image : opened.images)
      names += (names.empty() ? "" : ", ") + (image.names.empty() ? image.target.digest.str() : image.names[0]);
    return fail(EINVAL, "{} holds {} images, name one of: {}", opened.files->where(), opened.images.size(), names);
  }
  image::SavedImage saved{.files = opened.files, .image = opened.images[0]};
  auto& target = saved.image.target;
  if (!options.platform.empty())
    target = TRY(image::manifest_for(*saved.files, target, TRY(image::parse_platform(options.platform))));
  if (to.kind == PlaceKind::registry)
    target = TRY(send_image(*saved.files, target, from, to, options, context.streams));
  else
    TRY(write_to(paths, to, saved));
  const auto digest = target.digest.str();
  if (!options.digest_file.empty())
    TRY_WITHIN(sys::write_file_atomically(FileAt{kWorkingDir, options.digest_file.c_str()}, digest, 0644), "writing {}",
               options.digest_file);
  if (!options.quiet) context.streams.out << digest << '\n';
  return 0;
}

}  // namespace acetate::cli
