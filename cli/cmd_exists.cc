// acetate exists: whether an image is here, told by the exit code alone, as `podman image exists` does.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/store_place.h"

namespace acetate::cli {

namespace {

Result<int> exists(const std::string& name) {
  const auto found = TRY(image::ImageStore::open_to_read(TRY(store_place(TRY(find_paths())))))->find(name);
  if (!found && !found.error().is(ENOENT)) return found.error().clone();
  return found ? 0 : 1;
}

}  // namespace

Runner exists_command(CLI::App& app) {
  const auto name = std::make_shared<std::string>();
  app.add_option("IMAGE", *name, "its name, its id, or the beginning of one")->required();
  return [name](const Context&) { return exists(*name); };
}

}  // namespace acetate::cli
