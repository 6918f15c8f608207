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

// What follows the options is no positional to CLI11, which would look for options in it.
class Formatter : public CLI::Formatter {
 public:
  Formatter(CLI::App& app, std::string words) : words_(std::move(words)) { column_width(app.get_formatter()->get_column_width()); }
  std::string make_usage(const CLI::App* app, std::string name) const override {
    std::string line = CLI::Formatter::make_usage(app, std::move(name));
    while (line.ends_with('\n')) line.pop_back();
    return line + " " + words_ + "\n";
  }

 private:
  std::string words_;
};

// Options end with the image: what follows is the command's.
void end_options_with_image(CLI::App& app) {
  app.fallthrough(false);
  app.prefix_command();
}

}  // namespace

Runner run_command(CLI::App& app) {
  const auto options = std::make_shared<RunOptions>();
  end_options_with_image(app);
  app.formatter(std::make_shared<Formatter>(app, "IMAGE [COMMAND [ARG...]]"));
  app.footer(
      "IMAGE [COMMAND [ARG...]], or SOURCE... -- COMMAND [ARG...] with tarballs and directories from the bottom to\n"
      "the top, or the name of a kept container to go on from. What is written is gone afterwards, without --keep.");
  declare_run_options(app, *options);
  return [options, &app](const Context& context) { return run_container(*options, app.remaining(), context); };
}

Runner shell_command(CLI::App& app) {
  const auto options = std::make_shared<RunOptions>();
  end_options_with_image(app);
  app.formatter(std::make_shared<Formatter>(app, "IMAGE [SHELL]"));
  app.footer("SHELL is bash where the image has one, else sh. The options are those of run.");
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
