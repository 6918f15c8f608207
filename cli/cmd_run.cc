// acetate run and acetate shell: a command in an image, rootless, straight out of the image's tarballs.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <unistd.h>

#include "cli/run_commands.h"
#include "cli/run_container.h"

namespace acetate::cli {

namespace {

// Options end with the image: what follows is the command's.
void end_options_with_image(CLI::App& app) {
  app.fallthrough(false);
  app.prefix_command();
}

}  // namespace

Runner run_command(CLI::App& app) {
  const auto options = std::make_shared<RunOptions>();
  end_options_with_image(app);
  app.footer(
      "IMAGE [COMMAND [ARG...]], or SOURCE... -- COMMAND [ARG...] with tarballs and directories from the bottom to\n"
      "the top, or the name of a kept container to go on from. What is written is gone afterwards, without --keep.");
  declare_run_options(app, *options);
  return [options, &app](const Context& context) { return run_container(*options, app.remaining(), context); };
}

Runner shell_command(CLI::App& app) {
  const auto options = std::make_shared<RunOptions>();
  end_options_with_image(app);
  app.footer("IMAGE [SHELL]: an interactive shell in an image, bash where it has one. The options are those of run.");
  declare_run_options(app, *options);
  return [options, &app](const Context& context) {
    options->interactive = true;
    options->terminal = ::isatty(STDIN_FILENO) == 1;
    // Nobody's entrypoint stands between a person and a shell. Each image has a sh, and some have a bash.
    if (!options->entrypoint) options->entrypoint = "";
    std::vector<std::string> words = app.remaining();
    if (words.size() == 1)
      words.insert(words.end(), {"/bin/sh", "-c", "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi"});
    return run_container(*options, std::move(words), context);
  };
}

}  // namespace acetate::cli
