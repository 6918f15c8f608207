// acetate completion: prints a completion script for a shell.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <ostream>

#include "cli/command.h"
#include "cli/completion.h"

namespace acetate::cli {

Runner completion_command(CLI::App& app) {
  const auto shell = std::make_shared<std::string>();
  app.add_option("SHELL", *shell, "bash, zsh or fish")->required();
  return [shell](const Context& context) -> Result<int> {
    context.streams.out << TRY(completion_script(*shell, described_commands()));
    return 0;
  };
}

}  // namespace acetate::cli
