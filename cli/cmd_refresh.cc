// acetate refresh: tells a running mount that its layers are others now.
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <memory>

#include "cli/command.h"
#include "fs/control.h"

namespace acetate::cli {

namespace {

struct Options {
  std::string directory, path, add, add_below;
};

// The daemon's working directory is another than ours.
Result<std::string> absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  std::string here(4096, '\0');
  if (::getcwd(here.data(), here.size()) == nullptr) return Error(errno);
  return here.substr(0, here.find('\0')) + "/" + path;
}

Result<int> refresh(const Options& options, const Context&) {
  if (!options.add.empty()) {
    TRY(fs::ask_daemon(options.directory, "add-top " + TRY(absolute(options.add))));
  } else if (!options.add_below.empty()) {
    TRY(fs::ask_daemon(options.directory, "add-bottom " + TRY(absolute(options.add_below))));
  } else {
    TRY(fs::ask_daemon(options.directory, options.path.empty() ? "refresh" : "refresh " + options.path));
  }
  return 0;
}

}  // namespace

Runner refresh_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("DIR", options->directory, "where it is mounted")->required();
  auto* path = app.add_option("PATH", options->path, "what was changed, seen from DIR; everything without it");
  auto* add = app.add_option("--add", options->add, "a directory or tarball to lay on top of the layers, below what was written");
  auto* add_below = app.add_option("--add-below", options->add_below, "the same, below all layers");
  add->excludes(path)->excludes(add_below);
  add_below->excludes(path);
  return [options](const Context& context) { return refresh(*options, context); };
}

}  // namespace acetate::cli
