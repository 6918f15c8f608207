// acetate index: makes the index of a layer, or of all layers of an image, and shows what is in it.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/sys/file.h"
#include "cli/command.h"
#include "cli/image_name.h"
#include "layers/tar/index_store.h"

namespace acetate::cli {

namespace {

struct Options {
  std::vector<std::string> images;
  std::string platform;
  bool again = false;
  bool json = false;
};

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

nlohmann::ordered_json as_json(const image::Layer& layer, const OpenedLayer& opened, const std::string& file) {
  const IndexFacts& facts = *opened.facts;
  return {{"Path", layer.spec.path},
          {"Digest", facts.blob.str()},
          {"DiffId", facts.diff_id.str()},
          {"Compression", std::string(describe(facts.format))},
          {"Size", facts.packed_bytes},
          {"UncompressedSize", facts.plain_bytes},
          {"Entries", facts.entries},
          {"Inodes", facts.inodes},
          {"Spans", facts.spans},
          {"Index", file},
          {"IndexSize", facts.index_bytes},
          {"WindowsSize", facts.window_bytes},
          {"StringsSize", facts.string_bytes},
          {"WasCached", opened.index_was_cached}};
}

std::string as_text(const OpenedLayer& opened, const std::string& file) {
  const IndexFacts& facts = *opened.facts;
  const double ratio =
      facts.packed_bytes == 0 ? 0 : static_cast<double>(facts.plain_bytes) / static_cast<double>(facts.packed_bytes);
  return fmt::format(
      "layer        {}\n"
      "diff id      {}\n"
      "packed       {} bytes, {}\n"
      "uncompressed {} bytes, {:.2f} times as many\n"
      "entries      {}, {} inodes\n"
      "spans        {}\n"
      "index        {} bytes, {:.2f} % of the uncompressed: {} for windows, {} for names; {}\n"
      "             {}\n",
      facts.blob.str(), facts.diff_id.str(), facts.packed_bytes, describe(facts.format), facts.plain_bytes, ratio,
      facts.entries, facts.inodes, facts.spans, facts.index_bytes, percent(facts.index_bytes, facts.plain_bytes),
      facts.window_bytes, facts.string_bytes, opened.index_was_cached ? "was there" : "made", file);
}

Result<int> index(const Options& options, const Context& context) {
  const Paths paths = TRY(find_paths());
  const IndexStore indexes(paths.index());
  auto list = nlohmann::ordered_json::array();
  for (const std::string& name : options.images) {
    const auto image = TRY(find_image(paths, name, options.platform));
    for (auto layer : image.layers) {
      layer.spec.toc.reset();  // the tar is what is to be indexed
      auto opened = TRY(open_layer(layer.spec, paths.index()));
      if (!opened.facts) return fail(EINVAL, "{} is a directory, which needs no index", layer.spec.path);
      if (options.again && opened.index_was_cached) {
        TRY(sys::unlink({kWorkingDir, indexes.path_of(opened.facts->blob).c_str()}));
        opened = TRY(open_layer(layer.spec, paths.index()));
      }
      const std::string file = indexes.path_of(opened.facts->blob);
      if (options.json) {
        list.push_back(as_json(layer, opened, file));
      } else {
        context.streams.out << as_text(opened, file);
      }
    }
  }
  using Json = nlohmann::ordered_json;
  if (options.json) context.streams.out << list.dump(4, ' ', false, Json::error_handler_t::replace) << '\n';
  return 0;
}

}  // namespace

Runner index_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("IMAGE", options->images, "images, or tarballs of layers")->required();
  app.add_flag("--again", options->again, "make it anew where there is one");
  app.add_flag("--json", options->json, "show it as JSON");
  app.add_option("--platform", options->platform, "OS/ARCHITECTURE[/VARIANT], if not this machine's");
  return [options](const Context& context) { return index(*options, context); };
}

}  // namespace acetate::cli
