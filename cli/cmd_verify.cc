// acetate verify: reads every byte of an image's layers and says whether they are what the image says they are.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <ostream>

#include "cli/command.h"
#include "cli/image_name.h"
#include "layers/verify_layer.h"

namespace acetate::cli {

namespace {

struct Options {
  std::vector<std::string> images;
  std::string platform;
};

std::string said_of_index(const VerifiedLayer& layer) {
  const std::string toc = layer.has_toc ? "table of contents right, " : "";
  if (!layer.index_was_there) return toc + "index made";
  return toc + (layer.index_was_right ? "index right" : "its index was WRONG and is made again");
}

// Every layer is looked at, whatever is wrong with the ones before.
Result<int> verify(const Options& options, const Context& context) {
  const Paths paths = TRY(find_paths());
  int damaged = 0;
  for (const std::string& name : options.images) {
    const auto image = TRY(find_image(paths, name, options.platform));
    const auto& diff_ids = image.config.diff_ids;
    for (std::size_t i = 0; i < image.layers.size(); ++i) {
      const auto& layer = image.layers[i];
      LayerSpec spec = layer.spec;
      if (layer.digest) spec.digest = layer.digest;
      const bool told = diff_ids.size() == image.layers.size();
      const auto verified = verify_layer(spec, told ? std::optional(diff_ids[i]) : std::nullopt, paths.index());
      if (!verified) {
        ++damaged;
        context.streams.out << fmt::format("{}: DAMAGED: {}\n", layer.digest ? layer.digest->str() : spec.path,
                                           verified.error().message());
        continue;
      }
      context.streams.out << fmt::format("{}: {} entries, {} bytes, {}\n", verified->facts.blob.str(),
                                         verified->facts.entries, verified->facts.plain_bytes, said_of_index(*verified));
    }
  }
  return damaged == 0 ? 0 : 1;
}

}  // namespace

Runner verify_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("IMAGE", options->images, "images, or tarballs of layers")->required();
  app.add_option("--platform", options->platform, "OS/ARCHITECTURE[/VARIANT], if not this machine's");
  return [options](const Context& context) { return verify(*options, context); };
}

}  // namespace acetate::cli
