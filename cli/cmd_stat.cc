// acetate stat: what the daemon behind a mount has counted.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <memory>
#include <ostream>

#include "cli/command.h"
#include "fs/control.h"

namespace acetate::cli {

namespace {

struct Options {
  std::string directory;
  bool json = false;
  bool prometheus = false;
};

Result<int> stat(const Options& options, const Context& context) {
  const char* format = options.json ? "json" : options.prometheus ? "prometheus" : "text";
  context.streams.out << TRY(fs::ask_daemon(options.directory, fmt::format("stat {}", format)));
  return 0;
}

}  // namespace

Runner stat_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("DIR", options->directory, "where it is mounted")->required();
  auto* json = app.add_flag("--json", options->json, "as one JSON object");
  auto* prometheus = app.add_flag("--prometheus", options->prometheus, "in Prometheus' text format");
  json->excludes(prometheus);
  return [options](const Context& context) { return stat(*options, context); };
}

}  // namespace acetate::cli
