// acetate rm: removes kept containers. Their images stay.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <ostream>

#include "cli/run_commands.h"
#include "cli/run_container.h"
#include "cli/in_holder.h"
#include "cli/kept.h"

namespace acetate::cli {

namespace {

// As podman has them.
constexpr int kNotFound = 1, kInUse = 2;

struct Options {
  std::vector<std::string> names;
  bool all = false, ignore = false;
};

Result<int> rm(const Options& options, const Context& context) {
  const Paths paths = TRY(find_paths());
  std::vector<std::string> names = options.names;
  if (options.all)
    for (const KeptEntry& entry : TRY(list_kept(containers_dir(paths))))
      if (!entry.running && std::ranges::find(options.names, entry.record.name) == options.names.end()) names.push_back(entry.record.name);
  if (names.empty() && !options.all) return fail(EINVAL, "which container? `acetate ps` lists them, and --all means every one");
  if (names.empty()) return 0;
  return in_holder_or_here(context, kOurFault, [&](const sandbox::HolderPlan&) -> Result<int> {
    int failed = 0;
    for (const std::string& name : names) {
      const auto removed = Kept::remove(containers_dir(paths), name);
      if (!removed && options.ignore && removed.error().is(ENOENT)) continue;
      if (removed) {
        context.streams.out << name << '\n';
        continue;
      }
      context.streams.err << fmt::format("acetate: {}\n", removed.error().message());
      failed = std::max(failed, removed.error().is(ENOENT) ? kNotFound : removed.error().is(EBUSY) ? kInUse : kOurFault);
    }
    return failed;
  });
}

}  // namespace

Runner rm_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("NAME", options->names, "containers that run --keep has kept");
  app.add_flag("-a,--all", options->all, "every one that is not running");
  app.add_flag("-i,--ignore", options->ignore, "one that is not there is no error");
  return [options](const Context& context) { return rm(*options, context); };
}

}  // namespace acetate::cli
