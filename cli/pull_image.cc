#include "cli/pull_image.h"

#include <ostream>

#include "base/log.h"
#include "cli/image_summary.h"
#include "cli/store_place.h"
#include "cli/transfer_display.h"
#include "layers/image/lazy_images.h"
#include "layers/registry/pull.h"

namespace acetate::cli {

namespace {

// Name after name.
class Pulling {
 public:
  Pulling(const PullRequest& request, const Streams& streams, std::ostream& ids, image::ImageStore& store, registry::Remotes& remotes)
      : request_(request), streams_(streams), ids_(ids), store_(store), remotes_(remotes) {}

  Result<void> pull(const std::string& text) {
    const auto names = TRY(remote_names(remotes_.conf(), text));
    if (request_.all_tags) return pull_all_tags(names.front());
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
    if (request_.policy == "never" && !here) return here.error().clone();
    if (here && request_.policy == "never") return say_id(name);
    const bool is_here = here && TRY(has_platform(*here));
    if (is_here && request_.policy == "missing") return say_id(name);
    return remotes_.pull_from_first(name, [&](registry::Repository& repository) -> Result<void> {
      if (is_here && request_.policy == "newer" &&
          TRY(repository.manifest_digest(reference)) == here->target.digest)
        return say_id(name);
      return fetch(repository, name, reference);
    });
  }

  // An index may be here with the images of some of its platforms.
  Result<bool> has_platform(const image::StoredImage& here) {
    const auto image = store_.open_image(here, request_.platform);
    if (!image && !image.error().is(ENOENT)) return image.error().clone();
    return image.has_value();
  }

  Result<void> fetch(registry::Repository& repository, const image::Reference& name,
                     const std::string& reference) {
    if (!request_.quiet) streams_.err << fmt::format("Trying to pull {}...\n", name.str());
    TransferDisplay display(streams_, request_.quiet);
    const auto pulled = registry::pull_image(
        repository, reference, store_,
        {.platform = request_.platform, .all_platforms = request_.all_platforms, .events = display.events()});
    display.finish();
    if (!pulled) return pulled.error().clone();
    if (name.tag.empty())
      TRY(store_.keep_unnamed(pulled->target));
    else
      TRY(store_.set_reference(name, pulled->target));
    // One that was mounted before it was here has become an image like others.
    TRY(image::LazyImages(store_.dir()).settle());
    ids_ << pulled->id.hex() << '\n';
    return {};
  }

  Result<void> say_id(const image::Reference& name) {
    const auto image = TRY(store_.find_image(name.str(), request_.platform));
    ids_ << id_of(image).value_or(Digest()).hex() << '\n';
    return {};
  }

  const PullRequest& request_;
  const Streams& streams_;
  std::ostream& ids_;
  image::ImageStore& store_;
  registry::Remotes& remotes_;
};

}  // namespace

Result<void> pull_images(const Paths& paths, const std::vector<std::string>& names, const PullRequest& request, const Streams& streams,
                         std::ostream& ids) {
  const auto place = TRY(store_place(paths));
  const auto remotes = TRY(open_remotes(request.remote));
  const auto store = TRY(image::ImageStore::open(place));
  Pulling pulling(request, streams, ids, *store, *remotes);
  for (const auto& name : names) TRY(pulling.pull(name));
  return {};
}

}  // namespace acetate::cli
