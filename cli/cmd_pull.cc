// acetate pull: images from registries into our store.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <ostream>

#include "base/log.h"
#include "cli/command.h"
#include "cli/paths.h"
#include "cli/remote_options.h"
#include "cli/store_place.h"
#include "cli/transfer_display.h"
#include "layers/image/platform.h"
#include "layers/registry/pull.h"

namespace acetate::cli {

namespace {

struct Options {
  std::vector<std::string> names;
  std::string platform, os, architecture, variant;
  std::string policy = "always";
  bool all_platforms = false, all_tags = false, quiet = false;
  RemoteFlags remote;
};

Result<image::Platform> wanted_platform(const Options& options) {
  auto platform = image::host_platform();
  if (!options.platform.empty()) platform = TRY(image::parse_platform(options.platform));
  if (!options.os.empty()) platform.os = options.os;
  if (!options.architecture.empty()) platform.architecture = options.architecture;
  if (!options.variant.empty()) platform.variant = options.variant;
  return platform;
}

// One command's work, name after name.
class Pulling {
 public:
  Pulling(const Options& options, const Context& context, image::Platform platform, image::ImageStore& store,
          registry::Remotes& remotes)
      : options_(options),
        context_(context),
        platform_(std::move(platform)),
        store_(store),
        remotes_(remotes) {}

  Result<void> pull(const std::string& text) {
    const auto names = TRY(remote_names(remotes_.conf(), text));
    if (options_.all_tags) return pull_all_tags(names.front());
    for (std::size_t i = 0;; ++i) {
      auto tried = pull_one(names[i]);
      if (tried || i + 1 == names.size()) return tried;
      log::warn("{}; trying {}", tried.error().message(), names[i + 1].registry);
    }
  }

 private:
  Result<void> pull_all_tags(const image::Reference& name) {
    std::vector<std::string> tags;
    TRY(remotes_.pull_from_first(name, [&](registry::Repository& repository) -> Result<void> {
      tags = TRY(repository.tags());
      return {};
    }));
    for (const auto& tag : tags) {
      auto one = name;
      one.tag = tag;
      one.digest.reset();
      TRY(pull_one(one));
    }
    return {};
  }

  Result<void> pull_one(const image::Reference& name) {
    const auto reference = name.digest ? name.digest->str() : name.tag;
    const auto here = store_.find(name.str());
    if (!here && !here.error().is(ENOENT)) return here.error().clone();
    if (options_.policy == "never" && !here) return here.error().clone();
    if (here && (options_.policy == "never" || options_.policy == "missing")) return say_id(name);
    return remotes_.pull_from_first(name, [&](registry::Repository& repository) -> Result<void> {
      if (here && options_.policy == "newer" &&
          TRY(repository.manifest_digest(reference)) == here->target.digest)
        return say_id(name);
      return fetch(repository, name, reference);
    });
  }

  Result<void> fetch(registry::Repository& repository, const image::Reference& name,
                     const std::string& reference) {
    using Style = TransferDisplay::Style;
    if (!options_.quiet) context_.streams.err << fmt::format("Trying to pull {}...\n", name.str());
    TransferDisplay display(context_.streams.err, options_.quiet         ? Style::silent
                                                  : context_.streams.tty ? Style::bars
                                                                         : Style::lines);
    const auto pulled = registry::pull_image(
        repository, reference, store_,
        {.platform = platform_, .all_platforms = options_.all_platforms, .events = display.events()});
    display.finish();
    if (!pulled) return pulled.error().clone();
    if (name.tag.empty())
      TRY(store_.keep_unnamed(pulled->target));
    else
      TRY(store_.set_reference(name, pulled->target));
    context_.streams.out << pulled->id.hex() << '\n';
    return {};
  }

  Result<void> say_id(const image::Reference& name) {
    const auto image = TRY(store_.find_image(name.str(), platform_));
    context_.streams.out << Digest::of(image.config.raw).hex() << '\n';
    return {};
  }

  const Options& options_;
  const Context& context_;
  const image::Platform platform_;
  image::ImageStore& store_;
  registry::Remotes& remotes_;
};

Result<int> pull(const Options& options, const Context& context) {
  const auto place = TRY(store_place(TRY(find_paths())));
  const auto platform = TRY(wanted_platform(options));
  const auto remotes = TRY(open_remotes(options.remote));
  const auto store = TRY(image::ImageStore::open(place));
  Pulling pulling(options, context, platform, *store, *remotes);
  for (const auto& name : options.names) TRY(pulling.pull(name));
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
  app.add_flag("--all-platforms", options->all_platforms, "the images for every platform");
  app.add_flag("-a,--all-tags", options->all_tags, "every tag of the repository");
  app.add_option("--policy", options->policy, "when to ask the registry: always, missing, newer, never")
      ->type_name("")
      ->check(CLI::IsMember({"always", "missing", "newer", "never"}));
  app.add_flag("-q,--quiet", options->quiet, "say the image's id and nothing else");
  add_remote_options(app, options->remote);
  return [options](const Context& context) { return pull(*options, context); };
}

}  // namespace acetate::cli
