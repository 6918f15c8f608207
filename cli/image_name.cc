#include "cli/image_name.h"

#include <algorithm>

#include "base/sys/file.h"
#include "cli/store_place.h"
#include "layers/image/lazy_images.h"
#include "layers/image/path_reference.h"
#include "layers/image/platform.h"

namespace acetate::cli {

namespace {

// FILE or FILE:NAME, whose error tells more than that the store has no such image.
bool names_a_file(const std::string& name) {
  const auto readings = image::path_references(name);
  return readings && std::ranges::any_of(*readings, [](const auto& each) { return sys::stat_following(each.path).has_value(); });
}

}  // namespace

bool is_surely_a_path(const std::string& name) {
  for (const char* begin : {"/", "./", "../", "oci:", "oci-archive:", "docker-archive:", "dir:"})
    if (name.starts_with(begin)) return true;
  return name == "." || name == "..";
}

Result<image::Image> find_image(const Paths& paths, const std::string& name, const std::string& platform) {
  const auto wanted = TRY(image::wanted_platform(platform));
  if (is_surely_a_path(name)) return image::open_image(name, wanted);
  const auto store = TRY(image::ImageStore::open_to_read(TRY(store_place(paths))));
  const auto stored = store->find(name);
  if (stored) {
    auto image = TRY(store->open_image(*stored, wanted));
    image.name = name;
    return image;
  }
  // What is no name of an image may still be that of a file.
  if (!stored.error().is(ENOENT) && !stored.error().is(EINVAL)) return stored.error().clone();
  auto file = image::open_image(name, wanted);
  if (file || !file.error().is(ENOENT) || names_a_file(name)) return file;
  if (!stored.error().is(ENOENT)) return stored.error().clone();
  if (image::LazyImages(TRY(store_place(paths))).find(name))
    return fail(ENOENT, "\"{}\" is not all here yet: run or mount it with --lazy, or fetch the rest with acetate seal {}",
                name, name);
  return fail(ENOENT, "there is no image \"{}\" here, neither in the store nor as a file; acetate pull {} gets it from a registry",
              name, name);
}

}  // namespace acetate::cli
