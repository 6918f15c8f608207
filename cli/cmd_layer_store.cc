// acetate layer-store: an additional layer store for podman and its kin. Understands the options; acetate-layer-store holds the
// mount, and asks this command, by --describe, for what it knows nothing of: images and registries.
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <memory>
#include <ostream>

#include "base/sys/self.h"
#include "cli/image_commands.h"
#include "cli/lazy_image.h"
#include "cli/paths.h"

namespace acetate::cli {

namespace {

struct Options {
  std::string dir, platform, describe;
  LazyFlags lazy;
};

// As containers/storage numbers what a blob is packed with (pkg/archive/archive.go).
int packing_of(const std::string& media_type) {
  if (media_type.ends_with("+gzip") || media_type.ends_with(".gzip")) return 2;
  return media_type.ends_with("+zstd") ? 4 : 0;
}

// A line for each layer, as fs/fuse/layer_store/offered.h reads it.
Result<int> describe(const Options& options, const Context& context) {
  LazyFlags lazy = options.lazy;
  lazy.retry = 0;  // somebody waits in the kernel for what may be no image at all
  lazy.in_a_hurry = true;
  const auto image = TRY(find_lazy_image(TRY(find_paths()), options.describe, options.platform, lazy));
  if (image.layers.size() != image.config.diff_ids.size())
    return fail(EINVAL, "{} has {} layers, and its config speaks of {}", options.describe, image.layers.size(), image.config.diff_ids.size());
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    const auto& layer = image.layers[i];
    if (!layer.digest) return fail(EINVAL, "{} has a layer without a digest", options.describe);
    context.streams.out << fmt::format("{} {} {} {} {}\n", layer.digest->str(), image.config.diff_ids[i].str(), layer.size,
                                       packing_of(layer.media_type), format_layer_spec(layer.spec));
  }
  return 0;
}

Result<int> serve(const Options& options) {
  if (options.dir.empty()) return fail(EINVAL, "give the directory that storage.conf names in additionallayerstores");
  TRY(find_paths());  // what is wrong with them is told now
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return Error(error.value()).within("/proc/self/exe");
  std::vector<std::string> words{options.dir};
  // The overlay's daemon and namespaces other than ours look into it: and the kernel sees to it that of all users only root does (the tree's
  // own directories are 0700).
  if (::geteuid() == 0) words.insert(words.end(), {"-o", "allow_other,default_permissions"});
  words.insert(words.end(), {"--", self.string(), "layer-store"});
  for (const auto& [flag, value] : {std::pair("--platform", &options.platform), {"--index", &options.lazy.indexes},
                                    {"--authfile", &options.lazy.authfile}, {"--cert-dir", &options.lazy.cert_dir}})
    if (!value->empty()) words.insert(words.end(), {flag, *value});
  if (!options.lazy.tls_verify.empty()) words.push_back("--tls-verify=" + options.lazy.tls_verify);
  const std::string program = TRY(sys::find_helper("acetate-layer-store", {"/../fs/fuse/layer_store/acetate-layer-store"}));
  return sys::become(program, words).within("starting " + program);
}

}  // namespace

Runner layer_store_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("DIRECTORY", options->dir, "where to mount it");
  app.add_option("--platform", options->platform, "OS/ARCHITECTURE[/VARIANT], if not this machine's")->type_name("");
  add_registry_options(app, options->lazy);
  app.add_option("--describe", options->describe)->group("");
  app.add_flag("--anew", options->lazy.anew)->group("");
  return [options](const Context& context) { return options->describe.empty() ? serve(*options) : describe(*options, context); };
}

}  // namespace acetate::cli
