#include "cli/image_name.h"

#include "base/sys/file.h"
#include "layers/image/platform.h"

namespace acetate::cli {

namespace {

bool is_surely_a_path(const std::string& name) {
  for (const char* begin : {"/", "./", "../", "oci:", "oci-archive:", "docker-archive:"})
    if (name.starts_with(begin)) return true;
  return name == "." || name == "..";
}

}  // namespace

Result<image::Image> find_image(const Paths& paths, const std::string& name, const std::string& platform) {
  auto wanted = image::host_platform();
  if (!platform.empty()) wanted = TRY(image::parse_platform(platform));
  const bool have_store = sys::stat_following(paths.images() + "/oci-layout").has_value();
  if (have_store && !is_surely_a_path(name)) {
    auto stored = image::open_image("oci:" + paths.images() + ":" + name, wanted);
    if (stored) stored->name = name;
    // Not in the store, then: a damaged image there is told as such.
    if (stored || !stored.error().is(ENOENT)) return stored;
    if (auto there = sys::stat_following(name); !there) return stored;
  }
  return image::open_image(name, wanted);
}

}  // namespace acetate::cli
