// acetate inspect: what an image is, as JSON. The keys that docker's and podman's scripts ask for have their
// names.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/command.h"
#include "cli/image_name.h"
#include "cli/image_summary.h"
#include "cli/rows.h"
#include "cli/store_place.h"
#include "layers/image/config.h"

namespace acetate::cli {

namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::vector<std::string> images;
  std::string platform, format, type = "image";
  bool size = true;  // always told
};

// What the store calls an image; nothing for one that lies in a file.
Result<std::optional<image::StoredImage>> stored_image(const Paths& paths, const std::string& name,
                                                       const image::Image& image) {
  using Found = std::optional<image::StoredImage>;
  auto found = TRY(image::ImageStore::open_to_read(TRY(store_place(paths))))->find(name);
  const auto lies_in = [&](const image::Layer& layer) { return layer.spec.path.starts_with(found->store + "/"); };
  return found && std::ranges::all_of(image.layers, lies_in) ? Found(*std::move(found)) : Found();
}

void add_names(const image::StoredImage& stored, Json& out) {
  out["RepoTags"] = out["RepoDigests"] = Json::array();
  for (const auto& name : stored.names) {
    out["RepoTags"].push_back(name.familiar());
    const auto digest = name.familiar_name() + "@" + stored.target.digest.str();
    if (std::ranges::count(out["RepoDigests"], Json(digest)) == 0) out["RepoDigests"].push_back(digest);
  }
}

Json layer_json(const image::Layer& layer) {
  Json out;
  out["Path"] = layer.spec.path;
  if (layer.spec.offset != 0) out["Offset"] = layer.spec.offset;
  out["Size"] = layer.size;
  if (layer.digest) out["Digest"] = layer.digest->str();
  if (!layer.media_type.empty()) out["MediaType"] = layer.media_type;
  return out;
}

Result<Json> describe(const image::Image& image, const std::optional<image::StoredImage>& stored) {
  const auto config_text = TRY(image::to_json(image.config));
  const Json config = Json::parse(config_text);  // our own text
  Json out;
  out["Name"] = image.name;
  if (const auto id = id_of(image)) out["Id"] = id->hex();
  if (stored) add_names(*stored, out);
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
  if (options.type != "image" && options.type != "all")
    return fail(EINVAL, "--type knows image and all, for there are no containers that stay; not \"{}\"", options.type);
  std::vector<Json> list;
  for (const auto& name : options.images) {
    const auto image = TRY(find_image(paths, name, options.platform));
    list.push_back(TRY(describe(image, TRY(stored_image(paths, name, image)))));
  }
  context.streams.out << TRY(format_rows(list, {}, options.format.empty() ? "json" : options.format));
  return 0;
}

}  // namespace

Runner inspect_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("IMAGE", options->images,
                 "oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE, a path or a name")
      ->required();
  app.add_option("--platform", options->platform, "OS/ARCHITECTURE[/VARIANT], if not this machine's");
  app.add_option("-f,--format", options->format, "json, or a Go template like '{{.Id}}', for each image");
  app.add_option("-t,--type", options->type, "image or all: there is nothing else");
  app.add_flag("-s,--size", options->size, "tell the size: always so");
  return [options](const Context& context) { return inspect(*options, context); };
}

}  // namespace acetate::cli
