// acetate diff: what a kept container changed, in the form of docker's and podman's.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/run_commands.h"
#include "cli/run_container.h"
#include "cli/in_holder.h"
#include "cli/kept_changes.h"

namespace acetate::cli {

namespace {

struct Options {
  std::string name, format;
};

void print_json(const std::vector<Change>& changes, std::ostream& out) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [key, kind] : {std::pair{"added", 'A'}, std::pair{"changed", 'C'}, std::pair{"deleted", 'D'}})
    for (const Change& change : changes)
      if (change.kind == kind) json[key].push_back(change.path);
  out << json.dump(4, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
}

Result<int> diff(const Options& options, const Context& context) {
  const Paths paths = TRY(find_paths());
  const Kept kept = TRY(find_kept(containers_dir(paths), options.name, Kept::Use::read));
  return in_holder_or_here(context, kOurFault, [&](const sandbox::HolderPlan&) -> Result<int> {
    const LayerPtr below = TRY(tree_below(kept.record().image));
    const auto changes = TRY(list_changes(kept, *below));
    if (options.format == "json") {
      print_json(changes, context.streams.out);
    } else {
      for (const Change& change : changes) context.streams.out << change.kind << ' ' << change.path << '\n';
    }
    return 0;
  });
}

}  // namespace

Runner diff_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("NAME", options->name, "a container that run --keep has kept")->required();
  app.add_option("--format", options->format, "json, instead of a line for each path")->check(CLI::IsMember({"json"}));
  return [options](const Context& context) { return diff(*options, context); };
}

}  // namespace acetate::cli
