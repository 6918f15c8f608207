// The command table: what commands there are, and what a command is to the program around it.
//
// To add one: write cli/cmd_NAME.cc with a function `Runner name_command(CLI::App&)`, declare it at the end
// of this file, add its row in commands.cc and its source in meson.build. Help, aliases, "did you mean", exit
// codes, completions and its manual page follow.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/app.h"

namespace CLI {
class App;
}

namespace acetate::cli {

// What a running command gets besides its own options.
struct Context {
  const Streams& streams;
  bool verbose = false;
};

// Does the work, after the command line was understood. The value is the exit code; an error is printed as
// "acetate: sentence" and becomes Command::failure_exit.
using Runner = std::function<Result<int>(const Context&)>;

struct Command {
  std::string_view name;
  std::string_view summary;  // one line, for the list in --help
  // Declares options and positionals on the command's own parser and returns what to do with them. Values are
  // kept in a struct that the Runner shares:
  //   auto options = std::make_shared<Options>();
  //   app.add_option("IMAGE", options->image, "…")->required();
  //   return [options](const Context& context) { return … };
  // What does not parse ends the program before the Runner is called. -v and --help are there already; a
  // command that wants "-v" or "-h" for itself declares it (for -h: app.set_help_flag("--help", "…") first).
  Runner (*describe)(CLI::App& app);
  std::vector<std::string_view> aliases = {};
  int usage_exit = 2;    // for a command line that makes no sense
  int failure_exit = 1;  // for an error of ours
  std::string_view exits = {};  // for the manual: what exit codes mean besides these two, in sentences
  bool is_ours = false;         // for our own build: not listed, not completed, in no manual
};

// In the order of --help.
const std::vector<Command>& commands();

// By name or alias; null when there is none.
const Command* find_command(std::string_view name);

Runner build_command(CLI::App& app);
Runner cat_command(CLI::App& app);
Runner exists_command(CLI::App& app);
Runner explore_command(CLI::App& app);
Runner index_command(CLI::App& app);
Runner inspect_command(CLI::App& app);
Runner login_command(CLI::App& app);
Runner logout_command(CLI::App& app);
Runner ls_command(CLI::App& app);
Runner man_pages_command(CLI::App& app);
Runner mount_command(CLI::App& app);
Runner pull_command(CLI::App& app);
Runner push_command(CLI::App& app);
Runner bench_command(CLI::App& app);
Runner refresh_command(CLI::App& app);
Runner run_command(CLI::App& app);
Runner seal_command(CLI::App& app);
Runner serve_command(CLI::App& app);
Runner stat_command(CLI::App& app);
Runner tar_command(CLI::App& app);
Runner unmount_command(CLI::App& app);
Runner verify_command(CLI::App& app);

}  // namespace acetate::cli
