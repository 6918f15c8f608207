// acetate unmount: takes a mount of ours away again. What was written stays where `mount --rw` put it.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "cli/command.h"
#include "fs/mount.h"

namespace acetate::cli {

namespace {

struct Options {
  std::vector<std::string> directories;
  bool lazy = false;
};

Result<int> unmount_all(const Options& options, const Context&) {
  for (const auto& directory : options.directories) TRY(fs::unmount(directory, options.lazy));
  return 0;
}

}  // namespace

Runner unmount_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("DIR", options->directories, "where it is mounted")->required();
  app.add_flag("--lazy", options->lazy,
               "detach it now, also while it is in use, and end it when it no longer is");
  return [options](const Context& context) { return unmount_all(*options, context); };
}

}  // namespace acetate::cli
