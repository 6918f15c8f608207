#include "cli/store_place.h"

#include <algorithm>
#include <cstdlib>

#include "layers/registry/registries_conf.h"

namespace acetate::cli {

namespace {

Result<std::vector<std::string>> names_of_configuration(const std::string& text) {
  return registry::names_here(TRY(registry::load_registries_conf(registry::process_environment)), text);
}

}  // namespace

Result<image::StorePlace> store_place(const Paths& paths) {
  image::StorePlace place{.dir = paths.images(), .short_names = names_of_configuration};
  const char* value = std::getenv("ACETATE_SHARED_IMAGES");
  const std::string list = value == nullptr ? "" : value;
  for (std::size_t at = 0; at <= list.size();) {
    const auto end = std::min(list.find(':', at), list.size());
    const std::string store = list.substr(at, end - at);
    at = end + 1;
    if (store.empty()) continue;
    if (!store.starts_with('/')) return fail(EINVAL, "ACETATE_SHARED_IMAGES: {} is not an absolute path", store);
    place.shared.push_back(store);
  }
  return place;
}

}  // namespace acetate::cli
