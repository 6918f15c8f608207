// acetate explore: what each layer of an image brings, and what of it is only in the way.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/sys/file.h"
#include "cli/command.h"
#include "cli/explore_page.h"
#include "cli/human.h"
#include "cli/image_tree.h"
#include "cli/rows.h"

namespace acetate::cli {

namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string image, platform, format, html;
  std::size_t layer = 0;
};

// The layers with the steps that made them, where the configuration tells.
std::vector<ExploredLayer> with_steps(const image::Image& image, std::vector<LayerChanges> changes) {
  std::vector<const image::History*> steps;
  for (const image::History& step : image.config.history)
    if (!step.empty_layer) steps.push_back(&step);
  std::vector<ExploredLayer> layers;
  for (std::size_t n = 0; n < changes.size(); ++n) {
    const std::size_t missing = changes.size() - std::min(changes.size(), steps.size());
    ExploredLayer layer{.number = n + 1, .step = n >= missing ? steps[n - missing]->created_by : "", .size = image.layers[n].size};
    layer.changes = std::move(changes[n]);
    std::ranges::replace(layer.step, '\n', ' ');
    layers.push_back(std::move(layer));
  }
  return layers;
}

Json row_of(const ExploredLayer& layer, bool plain) {
  using Kind = LayerChange::Kind;
  constexpr std::size_t kMostStep = 60;
  const LayerChanges& changes = layer.changes;
  Json row{{"Layer", layer.number}};
  if (plain) {
    row.update({{"Size", layer.size}, {"Bytes", changes.bytes}, {"Wasted", changes.wasted}});
  } else {
    row.update({{"Size", human_size(layer.size)}, {"Bytes", human_size(changes.bytes)}, {"Wasted", human_size(changes.wasted)}});
  }
  row["Added"] = changes.count(Kind::added);
  row["Changed"] = changes.count(Kind::changed);
  row["Removed"] = changes.count(Kind::removed);
  row["Step"] = plain || layer.step.size() <= kMostStep ? layer.step : layer.step.substr(0, kMostStep - 1) + "…";
  return row;
}

void list_changes(const LayerChanges& layer, std::ostream& out) {
  for (const LayerChange& change : layer.changes)
    out << fmt::format("{} {:>9} /{}\n", "ACD"[static_cast<std::size_t>(change.kind)], human_size(change.bytes), change.path);
}

Result<int> explore(const Options& options, const Context& context) {
  const ImageTree tree = TRY(open_image_tree(TRY(find_paths()), options.image, options.platform));
  std::vector<LayerPtr> bottom_first;
  for (const OpenedLayer& layer : tree.layers) bottom_first.insert(bottom_first.begin(), layer.layer);
  const auto layers = with_steps(tree.image, TRY(changes_of(bottom_first)));
  std::ostream& out = context.streams.out;
  if (!options.html.empty()) {
    const std::string page = explore_page(options.image, layers);
    TRY_WITHIN(sys::write_file_atomically({kWorkingDir, options.html.c_str()}, page, 0644), "writing {}", options.html);
    return 0;
  }
  if (options.layer != 0) {
    if (options.layer > layers.size()) return fail(ENOENT, "{} has {} layers, and no layer {}", options.image, layers.size(), options.layer);
    list_changes(layers[options.layer - 1].changes, out);
    return 0;
  }
  std::vector<Json> rows;
  std::uint64_t bytes = 0, wasted = 0;
  for (const ExploredLayer& layer : layers) {
    rows.push_back(row_of(layer, !options.format.empty()));
    bytes += layer.changes.bytes;
    wasted += layer.changes.wasted;
  }
  const std::vector<Column> columns{{"Layer", "LAYER"}, {"Size", "SIZE"},       {"Bytes", "FILES"},     {"Added", "ADDED"},
                                    {"Changed", "CHANGED"}, {"Removed", "REMOVED"}, {"Wasted", "WASTED"}, {"Step", "STEP"}};
  out << TRY(format_rows(rows, columns, options.format));
  if (options.format.empty()) out << fmt::format("{} of files, of which {} are not seen any more\n", human_size(bytes), human_size(wasted));
  return 0;
}

}  // namespace

Runner explore_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("IMAGE", options->image, "an image, or the tarball of a layer")->required();
  app.add_option("--layer", options->layer, "what this one (1 is the lowest) adds (A), changes (C) and removes (D)");
  app.add_option("--html", options->html, "write a page that needs nothing else into this file");
  app.add_option("--format", options->format, "json, or a Go template for each layer");
  app.add_option("--platform", options->platform, "OS/ARCHITECTURE[/VARIANT], if not this machine's");
  return [options](const Context& context) { return explore(*options, context); };
}

}  // namespace acetate::cli
