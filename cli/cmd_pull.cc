// acetate pull: images from registries into our store.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/paths.h"
#include "cli/pull_image.h"

namespace acetate::cli {

namespace {

struct Options {
  std::vector<std::string> names;
  std::string platform, os, architecture, variant;
  PullRequest request;
};

Result<image::Platform> asked_platform(const Options& options) {
  auto platform = TRY(image::wanted_platform(options.platform));
  if (!options.os.empty()) platform.os = options.os;
  if (!options.architecture.empty()) platform.architecture = options.architecture;
  if (!options.variant.empty()) platform.variant = options.variant;
  return platform;
}

Result<int> pull(const Options& options, const Context& context) {
  PullRequest request = options.request;
  request.platform = TRY(asked_platform(options));
  TRY(pull_images(TRY(find_paths()), options.names, request, context.streams, context.streams.out));
  return 0;
}

}  // namespace

Runner pull_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("NAME", options->names, "[docker://][HOST/]NAME[:TAG|@DIGEST]")->required();
  app.add_option("--platform", options->platform, "OS/ARCHITECTURE[/VARIANT], if not this machine's")
      ->type_name("");
  app.add_option("--os", options->os, "the operating system of the platform")->type_name("");
  app.add_option("--arch", options->architecture, "its architecture")->type_name("");
  app.add_option("--variant", options->variant, "its variant")->type_name("");
  app.add_flag("--all-platforms", options->request.all_platforms, "the images for every platform");
  app.add_flag("-a,--all-tags", options->request.all_tags, "every tag of the repository");
  app.add_option("--policy", options->request.policy, "when to ask the registry: always, missing, newer, never")
      ->type_name("")
      ->check(CLI::IsMember({"always", "missing", "newer", "never"}));
  app.add_flag("-q,--quiet", options->request.quiet, "say the image's id and nothing else");
  add_remote_options(app, options->request.remote);
  return [options](const Context& context) { return pull(*options, context); };
}

}  // namespace acetate::cli
