// acetate tag and untag: names of stored images.
#include <algorithm>
#include <ostream>

#include "cli/image_commands.h"
#include "cli/store_place.h"
#include "layers/image/image_copy.h"
#include "layers/image/names_meant.h"
#include "layers/image/new_name.h"

namespace acetate::cli {

Result<int> tag_image(const TagOptions& options, const Context&) {
  std::vector<image::Reference> names;
  for (const auto& text : options.names) names.push_back(TRY(image::parse_new_name(text)));
  const auto store = TRY(image::ImageStore::open(TRY(store_place(TRY(find_paths())))));
  const auto stored = TRY(store->find(options.image));
  // An image of a shared store gets its name in our own, so what it is made of must be there too.
  if (stored.is_shared) TRY(image::copy_image(store->files(stored), stored.target, *store));
  for (const auto& name : names) TRY(store->set_reference(name, stored.target));
  return 0;
}

Result<int> untag_image(const TagOptions& options, const Context&) {
  const auto place = TRY(store_place(TRY(find_paths())));
  const auto store = TRY(image::ImageStore::open(place));
  const auto stored = TRY(store->find(options.image));
  if (stored.is_shared)
    return fail(EROFS, "{} is an image of the shared store {}, which is not written to", options.image, stored.store);
  std::vector<image::Reference> names;
  for (const auto& text : options.names) {
    const auto meant = TRY(image::names_meant(text, place));
    const auto name = std::ranges::find_first_of(meant, stored.names);
    if (name == meant.end()) return fail(ENOENT, "{} has no name \"{}\"", options.image, text);
    names.push_back(*name);
  }
  for (const auto& name : options.names.empty() ? stored.names : names)
    if (auto gone = store->remove_reference(name); !gone && !gone.error().is(ENOENT)) return std::move(gone).error();
  return 0;
}

}  // namespace acetate::cli
