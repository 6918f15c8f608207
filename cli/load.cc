// acetate load: the images of an archive into the store, under the names they have there.
#include <istream>
#include <ostream>

#include "cli/image_commands.h"
#include "cli/image_source.h"
#include "layers/image/new_name.h"

namespace acetate::cli {

Result<int> load_images(const LoadOptions& options, const Context& context) {
  std::vector<image::Reference> wanted;
  for (const auto& name : options.names) wanted.push_back(TRY(image::parse_new_name(name)));
  const auto paths = TRY(find_paths());
  // Opened before anything is read, so that no collection comes between a blob and its name.
  const auto store = TRY(image::ImageStore::open(TRY(store_place(paths))));
  const auto opened = TRY(open_archive(paths, options.input, context.streams.in));
  if (opened.images.empty()) return fail(ENOENT, "{} holds no image", opened.files->where());
  if (!wanted.empty() && opened.images.size() > 1)
    return fail(EINVAL, "{} holds {} images, and one name cannot stand for several", opened.files->where(),
                opened.images.size());
  auto& out = context.streams.out;
  for (const auto& image : opened.images) {
    TRY(image::copy_image(*opened.files, image.target, *store));
    auto names = wanted;
    if (names.empty())
      for (const auto& text : image.names)
        // What is no name in docker's sense is left out: the image is known by its id then.
        if (auto name = image::parse_reference(text)) names.push_back(*std::move(name));
    for (const auto& name : names) {
      TRY(store->set_reference(name, image.target));
      if (!options.quiet) out << "Loaded image: " << name.familiar() << '\n';
    }
    if (!names.empty()) continue;
    TRY(store->keep_unnamed(image.target));
    if (!options.quiet) out << "Loaded image: " << image.target.digest.str() << '\n';
  }
  return 0;
}

}  // namespace acetate::cli
