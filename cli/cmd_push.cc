// acetate push: an image of our store into a registry.
#include <fcntl.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <optional>
#include <ostream>

#include "base/sys/file.h"
#include "builder/sandbox/scratch.h"
#include "cli/command.h"
#include "cli/paths.h"
#include "cli/push_index.h"
#include "cli/remote_options.h"
#include "cli/store_place.h"
#include "cli/transfer_display.h"
#include "layers/image/packed_image.h"
#include "layers/image/platform.h"
#include "layers/registry/push.h"

namespace acetate::cli {

namespace {

struct Options {
  std::string image, destination, platform, digest_file;
  std::string format = "gzip";
  bool all = false, quiet = false, index = false, trace = false;
  RemoteFlags remote;
};

// Where to: what was typed, or the name the image has.
Result<image::Reference> destination_of(const Options& options, const registry::RegistriesConf& conf) {
  const auto names =
      TRY(remote_names(conf, options.destination.empty() ? options.image : options.destination));
  if (names.front().tag.empty())
    return fail(EINVAL, "a push goes to a tag, and \"{}\" has none", names.front().str());
  return names.front();
}

Result<int> push(const Options& options, const Context& context) {
  const Paths paths = TRY(find_paths());
  const auto place = TRY(store_place(paths));
  const auto platform = TRY(image::wanted_platform(options.platform));
  const auto store = TRY(image::ImageStore::open_to_read(place));
  const auto stored = TRY(store->find(options.image));
  const auto remotes = TRY(open_remotes(options.remote));
  const auto name = TRY(destination_of(options, remotes->conf()));
  auto repository = TRY(remotes->to_push(name));
  const bool with_indexes = options.index || options.trace;
  // Those that go along are of the layers as they lie here.
  std::optional<sandbox::Scratch> scratch;
  std::unique_ptr<image::PackedImage> packed;
  if (options.format == "gzip" && !with_indexes) {
    scratch = TRY(sandbox::Scratch::make(paths.data + "/scratch"));
    packed = TRY(image::PackedImage::make(store->files(stored), stored.target, *scratch / "packed"));
  }
  TransferDisplay display(context.streams, options.quiet);
  const registry::PushOptions how{.platform = platform, .all_platforms = options.all, .events = display.events()};
  auto pushed = packed ? registry::push_image(*packed, packed->target(), repository, name.tag, {}, how)
                       : registry::push_image(*store, stored, repository, name.registry, name.tag, how);
  display.finish();
  const auto target = TRY(std::move(pushed));
  if (with_indexes)
    TRY(push_indexes_of(*store, stored, target, repository, options.trace ? Traces::sent_too : Traces::kept_here));
  const auto digest = target.digest.str();
  if (!options.digest_file.empty())
    TRY_WITHIN(sys::write_file_atomically(FileAt{kWorkingDir, options.digest_file.c_str()}, digest, 0644),
               "writing {}", options.digest_file);
  if (!options.quiet) context.streams.out << digest << '\n';
  return 0;
}

}  // namespace

Runner push_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("IMAGE", options->image, "a name or id of an image in the store")->required();
  app.add_option("DESTINATION", options->destination,
                 "[docker://]HOST/NAME[:TAG], if not the image's own name");
  app.add_option("--platform", options->platform, "the image to send when only some of an index are here")
      ->type_name("");
  app.add_flag("--all", options->all, "the index with the images of all its platforms, or nothing");
  app.add_option("--compression-format", options->format,
                 "gzip: layers that lie unpacked in the store are compressed (default); none: they are sent as they lie")
      ->check(CLI::IsMember({"gzip", "none"}));
  app.add_flag("--index", options->index, "the indexes of its layers too, for those who mount it lazily");
  app.add_flag("--trace", options->trace, "with --index: what was read of its layers here too, so that elsewhere it is fetched first");
  app.add_option("--digestfile", options->digest_file, "where to write the digest the registry has now")
      ->type_name("");
  app.add_flag("-q,--quiet", options->quiet, "say nothing but errors");
  add_remote_options(app, options->remote);
  return [options](const Context& context) { return push(*options, context); };
}

}  // namespace acetate::cli
