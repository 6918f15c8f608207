#include "cli/lazy_image.h"

#include <fcntl.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <system_error>

#include "base/log.h"
#include "base/sys/file.h"
#include "cli/store_place.h"
#include "layers/image/lazy_images.h"
#include "layers/image/platform.h"
#include "layers/registry/lazy_pull.h"
#include "layers/registry/transfer.h"
#include "layers/stream/partial_blob.h"

namespace acetate::cli {

namespace {

registry::ForeignIndexes indexes_of(const LazyFlags& flags) {
  if (flags.indexes == "always") return registry::ForeignIndexes::always;
  if (flags.indexes == "never") return registry::ForeignIndexes::never;
  return registry::ForeignIndexes::by_tag;
}

// The fetcher is in another directory.
Result<std::string> from_anywhere(const std::string& path) {
  if (path.empty()) return path;
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  if (error) return Error(error.value()).within("the working directory");
  return absolute.string();
}

Result<registry::TicketSource> source_of(const LazyFlags& flags) {
  registry::TicketSource source;
  source.authfile = TRY(from_anywhere(flags.authfile));
  source.cert_dir = TRY(from_anywhere(flags.cert_dir));
  if (!flags.tls_verify.empty()) source.verify_tls = flags.tls_verify == "true";
  source.environment = TRY(registry::places_in(registry::process_environment));
  return source;
}

// `hold`: is set to what keeps that image from garbage collection.
Result<image::StoredImage> pull_documents(const image::StorePlace& place, const image::LazyImages& images,
                                          const std::string& text, const image::Platform& platform,
                                          const LazyFlags& flags, std::shared_ptr<const void>& hold) {
  const auto remotes = TRY(open_remotes(remote_flags(flags)));
  const auto store = TRY(image::ImageStore::open(place));
  hold = store->hold();
  const auto source = TRY(source_of(flags));
  const registry::LazyPullOptions options{.platform = platform, .source = source, .indexes = indexes_of(flags)};
  const auto names = TRY(remote_names(remotes->conf(), text));
  for (std::size_t i = 0;; ++i) {
    const auto pulled = remotes->pull_from_first(names[i], [&](registry::Repository& repository) -> Result<void> {
      TRY(registry::pull_lazily(repository, names[i], *store, images, options));
      return {};
    });
    if (pulled) return images.find(names[i].str());
    if (i + 1 == names.size()) return pulled.error().clone();
    log::warn("{}; trying {}", pulled.error().message(), names[i + 1].registry);
  }
}

// The room that what came of a layer takes. Whoever else reads it has it fetched again.
void discard(const image::LazyImages& images, const Digest& layer) {
  const auto partial = PartialBlob::open(images.dir(), layer);
  if (!partial || !(*partial)->forget_all()) return;
  // Best effort: where there are no holes, garbage collection takes it.
  (void)sys::fallocate((*partial)->data(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (*partial)->size());
}

// A name that never could be used is none: what came of it goes with the garbage, or is gone on with by whoever tries again. Where the disk is
// full it must go first, for a name goes by writing a list without it.
void forget(const image::LazyImages& images, const image::StoredImage& stored, const image::Image& image) {
  const auto remove = [&] { return images.remove_reference(stored.names.front(), stored.target.digest); };
  auto gone = remove();
  if (!gone && (gone.error().is(ENOSPC) || gone.error().is(EDQUOT))) {
    for (const auto& layer : image.layers)
      if (layer.spec.lazy && layer.digest) discard(images, *layer.digest);
    gone = remove();
  }
  if (!gone && !gone.error().is(ENOENT)) log::warn("{} cannot be forgotten: {}", image.name, gone.error().message());
}

void add_options(CLI::App& app, LazyFlags& flags, const std::string& when) {
  app.add_option("--index", flags.indexes,
                 "when to believe an index that lies beside the image in the registry: tag (the default: not of an image "
                 "named by digest), always, never")
      ->type_name("")
      ->check(CLI::IsMember({"tag", "always", "never"}));
  app.add_option("--authfile", flags.authfile, when + "the file with logins, if not the usual ones")->type_name("");
  app.add_option("--cert-dir", flags.cert_dir, when + "*.crt, *.cert and *.key for the registry")->type_name("");
  app.add_flag("--tls-verify", flags.tls_verify, when + "=false: take any certificate, and plain HTTP");
}

}  // namespace

RemoteFlags remote_flags(const LazyFlags& flags) {
  RemoteFlags remote;
  remote.authfile = flags.authfile;
  remote.cert_dir = flags.cert_dir;
  remote.tls_verify = flags.tls_verify;
  remote.retry = flags.retry;
  remote.retry_delay = flags.retry_delay;
  remote.in_a_hurry = flags.in_a_hurry;
  return remote;
}

void add_lazy_options(CLI::App& app, LazyFlags& flags) {
  app.add_flag("--lazy", flags.lazy, "begin before all of the image is here: it comes from its registry as it is read");
  add_options(app, flags, "with --lazy: ");
  add_retry_options(app, flags.retry, flags.retry_delay);
}

void add_registry_options(CLI::App& app, LazyFlags& flags) { add_options(app, flags, ""); }

// By its table of contents, or an index: what that takes is round trips.
bool has_its_names(const image::Layer& layer) { return layer.spec.toc || layer.spec.index; }

// Opened side by side: where one has no index yet, the wire and the decoders are busy at once.
Result<void> open_lazy_layers(const image::Image& image) {
  std::vector<image::Descriptor> lazy;
  for (const auto& layer : image.layers)
    if (layer.spec.lazy) lazy.push_back({.media_type = layer.media_type, .digest = *layer.digest, .size = layer.size});
  constexpr int kOpenedAtOnce = 16;
  const bool is_quick = std::ranges::all_of(image.layers, [](const auto& layer) { return !layer.spec.lazy || has_its_names(layer); });
  return registry::transfer_all(lazy, is_quick ? kOpenedAtOnce : registry::kTransfersAtOnce, {}, [&](const image::Descriptor& blob, const auto&) {
    for (const auto& layer : image.layers)
      if (layer.digest == blob.digest) {
        auto opened = open_layer(layer.spec, default_index_dir());
        if (!opened) return Result<registry::TransferState>(std::move(opened).error().within("layer " + blob.digest.str()));
        break;
      }
    return Result<registry::TransferState>(registry::TransferState::done);
  });
}

Result<image::Image> find_lazy_image(const Paths& paths, const std::string& name, const std::string& platform,
                                     const LazyFlags& flags) {
  const auto wanted = TRY(image::wanted_platform(platform));
  const auto place = TRY(store_place(paths));
  const auto store = TRY(image::ImageStore::open_to_read(place));
  auto hold = store->hold();
  if (!flags.anew) {
    const auto stored = store->find(name);
    if (stored) return store->open_image(*stored, wanted);
    if (!stored.error().is(ENOENT)) return stored.error().clone();
  }
  const image::LazyImages images(place);
  auto known = flags.anew ? Result<image::StoredImage>(Error(ENOENT)) : images.find(name);
  if (!known && !known.error().is(ENOENT)) return std::move(known).error();
  const bool is_known = known.has_value(), is_new = !is_known && !flags.anew;
  if (!is_known) known = pull_documents(place, images, name, wanted, flags, hold);
  const auto stored = TRY(std::move(known));
  auto image = TRY(images.open_image(stored, wanted));
  if (is_known) {
    auto source = TRY(source_of(flags));
    source.name = stored.names.front().str();
    TRY(registry::renew_tickets(images.dir(), image, source));
  }
  image.name = name;
  image.hold = std::move(hold);
  // What was believed when it was pulled may not be now.
  if (!registry::are_believed(indexes_of(flags), stored.names.front()))
    for (auto& layer : image.layers) layer.spec.index.reset();
  if (const auto opened = open_lazy_layers(image); !opened) {
    if (is_new) forget(images, stored, image);
    return opened.error().clone();
  }
  return image;
}

}  // namespace acetate::cli
