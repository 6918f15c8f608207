#include "cli/store_place.h"

#include <algorithm>
#include <cstdlib>

namespace acetate::cli {

Result<image::StorePlace> store_place(const Paths& paths) {
  image::StorePlace place{.dir = paths.images()};
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
