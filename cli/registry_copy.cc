#include "cli/registry_copy.h"

#include "cli/copy_destination.h"
#include "cli/store_place.h"
#include "cli/transfer_display.h"
#include "layers/image/image_walk.h"
#include "layers/image/platform.h"
#include "layers/registry/pull.h"
#include "layers/registry/push.h"

namespace acetate::cli {

namespace {

using image::PlaceKind;

// Names in registries are whole: short ones are not looked for, as skopeo does not.
Result<image::Reference> registry_name(const image::ImagePlace& place) { return image::parse_reference(place.where); }

// Where an image is fetched into.
struct Landing {
  OpenedImages opened;
  std::unique_ptr<image::Layout> layout;  // null: opened.store
};

Result<Landing> open_landing(const Paths& paths, const image::ImagePlace& to) {
  Landing landing;
  auto place = TRY(store_place(paths));
  if (to.kind == PlaceKind::oci) {
    landing.layout = TRY(image::Layout::open(to.where));
    landing.opened.source = TRY(image::open_image_source(to.where, PlaceKind::oci, std::nullopt));
    landing.opened.files = landing.opened.source.files.get();
    return landing;
  }
  if (to.kind != PlaceKind::store) {
    landing.opened.scratch = TRY(sandbox::Scratch::make(paths.data + "/scratch"));
    place.shared.insert(place.shared.begin(), place.dir);
    place.dir = *landing.opened.scratch / "store";
  }
  landing.opened.store = TRY(image::ImageStore::open(place));
  landing.opened.files = &landing.opened.store->files({.target = {}, .store = place.dir});
  return landing;
}

// Everything of the image may be in the repository it came from.
Result<registry::Neighbours> all_in(const image::ImageFiles& files, const image::Descriptor& target, const std::string& repository) {
  registry::Neighbours neighbours;
  TRY(image::walk_image(files, target, [&](const image::ImagePart& part) -> Result<void> {
    neighbours[part.descriptor.digest].insert(repository);
    return {};
  }));
  return neighbours;
}

}  // namespace

Result<OpenedImages> fetch_image(const Paths& paths, const image::ImagePlace& from, const image::ImagePlace& to,
                                 const CopyOptions& options, const Streams& streams) {
  const auto name = TRY(registry_name(from));
  const auto reference = name.digest ? name.digest->str() : name.tag;
  const auto remotes = TRY(open_remotes(options.source));
  const auto platform = TRY(image::wanted_platform(options.platform));
  std::unique_ptr<CopyDestination> destination;
  if (to.kind == PlaceKind::registry) destination = TRY(CopyDestination::open(from, to, options));
  std::optional<Landing> landing;
  TRY(remotes->pull_from_first(name, [&](registry::Repository& repository) -> Result<void> {
    // Nothing is made here for an image that is not there.
    (void)TRY(repository.manifest_digest(reference));
    if (!landing) landing = TRY(open_landing(paths, to));
    auto& [opened, layout] = *landing;
    const image::HasBlob has = [&](const image::Descriptor& blob) -> Result<bool> {
      if (landing->layout) return landing->layout->has_blob(blob.digest);
      return TRY(landing->opened.store->bring(blob)) || (destination && TRY(destination->has(blob)));
    };
    TransferDisplay display(streams, options.quiet);
    auto pulled = registry::pull_image(repository, reference, layout ? *layout : *opened.store, has,
                                       {.platform = platform, .all_platforms = options.all, .events = display.events()});
    display.finish();
    image::NamedImage image{.target = TRY(std::move(pulled)).target};
    if (!name.tag.empty())
      image.names = {image::Reference{.registry = name.registry, .repository = name.repository, .tag = name.tag}.str()};
    opened.images = {std::move(image)};
    return {};
  }));
  auto& opened = landing->opened;
  if (destination) {
    opened.besides = destination->together_with(*opened.files);
    opened.files = opened.besides.get();
  }
  return std::move(opened);
}

Result<image::Descriptor> send_image(const image::ImageFiles& files, const image::Descriptor& target, const image::ImagePlace& from,
                                     const image::ImagePlace& to, const CopyOptions& options, const Streams& streams) {
  const auto name = TRY(registry_name(to));
  if (name.tag.empty()) return fail(EINVAL, "a copy into a registry goes to a tag, and \"{}\" has none", to.where);
  registry::Neighbours neighbours;
  if (from.kind == PlaceKind::registry)
    if (const auto source = TRY(registry_name(from)); source.registry == name.registry && source.repository != name.repository)
      neighbours = TRY(all_in(files, target, source.repository));
  const auto remotes = TRY(open_remotes(destination_flags(options)));
  auto repository = TRY(remotes->to_push(name));
  TransferDisplay display(streams, options.quiet);
  auto sent = registry::push_image(files, target, repository, name.tag, neighbours,
                                   {.platform = TRY(image::wanted_platform(options.platform)), .all_platforms = options.all, .events = display.events()});
  display.finish();
  return sent;
}

}  // namespace acetate::cli
