// acetate seal: fetches what is still missing of images that were mounted lazily, and verifies all of it.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <ostream>

#include "cli/command.h"
#include "cli/image_summary.h"
#include "cli/store_place.h"
#include "cli/transfer_display.h"
#include "layers/image/lazy_images.h"
#include "layers/image/platform.h"
#include "layers/registry/seal_blob.h"

namespace acetate::cli {

namespace {

struct Options {
  std::vector<std::string> names;
  std::string platform;
  bool quiet = false;
};

Result<void> seal(const image::StorePlace& place, const std::string& name, const Options& options, const Context& context) {
  using Style = TransferDisplay::Style;
  const auto platform = TRY(image::wanted_platform(options.platform));
  const image::LazyImages images(place);
  const auto known = images.find(name);
  if (!known && !known.error().is(ENOENT)) return known.error().clone();
  if (known) {
    const auto image = TRY(images.open_image(*known, platform));
    std::vector<image::Descriptor> missing;
    for (const auto& layer : image.layers)
      if (layer.spec.lazy) missing.push_back({.media_type = layer.media_type, .digest = *layer.digest, .size = layer.size});
    TransferDisplay display(context.streams.err, options.quiet         ? Style::silent
                                                 : context.streams.tty ? Style::bars
                                                                       : Style::lines);
    const auto sealed = registry::transfer_all(missing, registry::kTransfersAtOnce, display.events(),
                                               [&](const image::Descriptor& layer, const registry::Progress& progress) {
                                                 return registry::seal_blob(images.dir(), layer, progress);
                                               });
    display.finish();
    if (!sealed) return sealed.error().clone();
    TRY(images.settle());
  }
  const auto store = TRY(image::ImageStore::open_to_read(place));
  const auto stored = TRY(store->find(name));
  if (!options.quiet) context.streams.out << summarise(*store, stored, platform).id.hex() << '\n';
  return {};
}

Result<int> seal_all(const Options& options, const Context& context) {
  const auto place = TRY(store_place(TRY(find_paths())));
  for (const auto& name : options.names) TRY(seal(place, name, options, context));
  return 0;
}

}  // namespace

Runner seal_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("NAME", options->names, "images that were run or mounted with --lazy")->required();
  app.add_option("--platform", options->platform, "OS/ARCHITECTURE[/VARIANT], if not this machine's")->type_name("");
  app.add_flag("-q,--quiet", options->quiet, "say nothing but errors");
  return [options](const Context& context) { return seal_all(*options, context); };
}

}  // namespace acetate::cli
