// acetate inspect: what an image is, as JSON. The keys that docker's and podman's scripts ask for have their
// names.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/command.h"
#include "cli/image_name.h"
#include "layers/image/config.h"

namespace acetate::cli {

namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::vector<std::string> images;
  std::string platform;
};

Json layer_json(const image::Layer& layer) {
  Json out;
  out["Path"] = layer.spec.path;
  if (layer.spec.offset != 0) out["Offset"] = layer.spec.offset;
  out["Size"] = layer.size;
  if (layer.digest) out["Digest"] = layer.digest->str();
  if (!layer.media_type.empty()) out["MediaType"] = layer.media_type;
  return out;
}

Result<Json> describe(const image::Image& image) {
  const auto config_text = TRY(image::to_json(image.config));
  const Json config = Json::parse(config_text);  // our own text
  Json out;
  out["Name"] = image.name;
  if (!image.config.raw.empty()) out["Id"] = Digest::of(image.config.raw).hex();
  if (image.manifest_digest) out["Digest"] = image.manifest_digest->str();
  if (!image.config.created.empty()) out["Created"] = image.config.created;
  if (!image.config.author.empty()) out["Author"] = image.config.author;
  out["Os"] = image.config.platform.os;
  out["Architecture"] = image.config.platform.architecture;
  if (!image.config.platform.variant.empty()) out["Variant"] = image.config.platform.variant;
  out["Config"] = config["config"];
  Json diff_ids = Json::array();
  for (const auto& id : image.config.diff_ids) diff_ids.push_back(id.str());
  out["RootFS"] = {{"Type", "layers"}, {"Layers", std::move(diff_ids)}};
  out["Layers"] = Json::array();
  std::uint64_t size = 0;
  for (const auto& layer : image.layers) {
    out["Layers"].push_back(layer_json(layer));
    size += layer.size;
  }
  out["Size"] = size;
  if (config.contains("history")) out["History"] = config["history"];
  return out;
}

Result<int> inspect(const Options& options, const Context& context) {
  const auto paths = TRY(find_paths());
  Json list = Json::array();
  for (const auto& name : options.images)
    list.push_back(TRY(describe(TRY(find_image(paths, name, options.platform)))));
  context.streams.out << list.dump(4, ' ', false, Json::error_handler_t::replace) << '\n';
  return 0;
}

}  // namespace

Runner inspect_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("IMAGE", options->images,
                 "oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE, a path or a name")
      ->required();
  app.add_option("--platform", options->platform, "OS/ARCHITECTURE[/VARIANT], if not this machine's");
  return [options](const Context& context) { return inspect(*options, context); };
}

}  // namespace acetate::cli
