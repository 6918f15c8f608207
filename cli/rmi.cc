// acetate rmi: takes names away, and with the last name the image and every blob that no other image needs.
#include <algorithm>
#include <ostream>

#include "cli/image_commands.h"
#include "cli/image_summary.h"
#include "cli/kept.h"
#include "cli/run_commands.h"
#include "cli/store_place.h"
#include "layers/image/image_collect.h"
#include "layers/image/lazy_images.h"
#include "layers/image/names_meant.h"

namespace acetate::cli {

namespace {

constexpr int kNotFound = 1;  // as podman has it

bool is_name_of(const image::StoredImage& stored, const image::Reference& name) {
  return std::ranges::find(stored.names, name) != stored.names.end();
}

// What was typed, if it is one of the image's names and not its id.
std::optional<image::Reference> typed_name(const image::StoredImage& stored, const std::string& text, const image::StorePlace& place) {
  const auto meant = image::names_meant(text, place);
  if (!meant) return std::nullopt;
  const auto name = std::ranges::find_if(*meant, [&](const auto& each) { return is_name_of(stored, each); });
  return name == meant->end() ? std::nullopt : std::optional(*name);
}

// A name of an image that is still being fetched. Its blobs go with the next collection that finds nobody reading them.
Result<bool> forget_lazy(const image::StorePlace& place, const std::string& text, std::ostream& out) {
  const image::LazyImages images(place);
  const auto known = images.find(text);
  if (!known && known.error().is(ENOENT)) return false;
  if (!known) return known.error().clone();
  TRY(images.remove_reference(known->names.front()));
  out << "Untagged: " << known->names.front().str() << '\n';
  return true;
}

// Kept containers that were made of the image: their layers stay in any case, but without a name to be found by.
Result<void> check_unused(const std::vector<KeptEntry>& containers, const Digest& manifest, const std::string& text) {
  for (const auto& [record, running] : containers)
    if (record.image.manifest_digest == manifest)
      return fail(EBUSY, "{} is what the container {} lies on; remove that first (acetate rm {}), or forget the image all the same with --force",
                  text, record.name, record.name);
  return {};
}

// One image or name. Says what it did on the way.
Result<void> remove_one(image::ImageStore& store, const image::StorePlace& place, const std::string& text, const RmiOptions& options,
                        const std::vector<KeptEntry>& containers, std::ostream& out) {
  auto found = store.find(text);
  if (!found && found.error().is(ENOENT) && TRY(forget_lazy(place, text, out))) return {};
  const auto stored = TRY(std::move(found));
  if (stored.is_shared)
    return fail(EROFS, "{} is an image of the shared store {}, which is not written to", text, stored.store);
  const auto summary = summarise(store, stored, image::host_platform());
  const auto may_go = [&] { return options.force ? Result<void>() : check_unused(containers, summary.manifest, text); };
  if (const auto name = typed_name(stored, text, place)) {
    const auto went = store.remove_last_reference(*name, stored.target.digest, may_go);
    if (!went && went.error().is(ENOENT)) return fail(ENOENT, "{} was given to another image, or taken away, just now", name->str());
    if (!went) return went.error().clone();
    out << "Untagged: " << name->str() << '\n';
    if (*went) out << "Deleted: " << summary.id.str() << '\n';
    return {};
  }
  const auto several = [&](std::size_t count) {
    return fail(EBUSY, "{} has {} names; take one away by its name, or all with --force", text, count);
  };
  if (stored.names.size() > 1 && !options.force) return several(stored.names.size());
  TRY(may_go());
  const auto removed = options.force ? store.remove_image(stored.target.digest) : store.remove_image(stored.target.digest, stored.names.size());
  // It was given one since it was looked up.
  if (!removed && removed.error().is(EBUSY)) return several(stored.names.size() + 1);
  if (!removed) return removed.error().clone();
  for (const auto& each : stored.names) out << "Untagged: " << each.str() << '\n';
  out << "Deleted: " << summary.id.str() << '\n';
  return {};
}

// Blobs go now if nobody uses the store; else with the next collection.
Result<void> remove_blobs(const image::StorePlace& place, const std::string& containers, std::ostream& err) {
  const auto collected = image::collect(place, {.unnamed = false, .wait = false, .needed_besides = [&] { return layers_of_kept(containers); }});
  if (collected) return {};
  if (!collected.error().is(EWOULDBLOCK)) return collected.error().clone();
  err << "acetate: the image store is in use, so the layers stay for now; acetate gc removes them\n";
  return {};
}

}  // namespace

Result<int> remove_images(const RmiOptions& options, const Context& context) {
  const auto paths = TRY(find_paths());
  const auto place = TRY(store_place(paths));
  const auto containers = TRY(list_kept(containers_dir(paths)));
  if (options.images.empty() && !options.all) return fail(EINVAL, "name an image, or say --all");
  int exit = 0;
  {
    const auto store = TRY(image::ImageStore::open(place));
    auto wanted = options.images;
    RmiOptions how = options;
    if (options.all) {
      wanted.clear();
      how.force = true;
      for (const auto& stored : TRY(store->list()))
        if (!stored.is_shared) wanted.push_back(stored.target.digest.str());
    }
    for (const auto& text : wanted) {
      const auto removed = remove_one(*store, place, text, how, containers, context.streams.out);
      if (removed) continue;
      const bool is_absent = removed.error().is(ENOENT);
      if (is_absent && (options.ignore || options.force)) continue;
      context.streams.err << fmt::format("acetate: {}\n", removed.error().message());
      exit = std::max(exit, is_absent ? kNotFound : removed.error().is(EBUSY) ? 2 : 125);
    }
  }
  if (!options.no_prune) TRY(remove_blobs(place, containers_dir(paths), context.streams.err));
  return exit;
}

}  // namespace acetate::cli
