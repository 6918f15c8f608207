#include "layers/registry/serve/catalog.h"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include "base/sys/file.h"
#include "layers/image/image_walk.h"
#include "layers/image/json.h"
#include "layers/image/media_type.h"
#include "layers/registry/referrer.h"

namespace acetate::registry {

namespace {

// "" for none.
std::string host_of(const std::string& repository) {
  const auto slash = repository.find('/');
  if (slash == std::string::npos) return "";
  const auto first = repository.substr(0, slash);
  return first == "localhost" || first.find_first_of(".:") != std::string::npos ? first : "";
}

bool is_of(const image::Reference& name, const std::string& repository) {
  const auto candidates = store_names(repository);
  return std::ranges::any_of(candidates,
                             [&](const auto& candidate) { return candidate.name() == name.name(); });
}

Result<ShownManifest> shown_from(std::string bytes, const image::Descriptor& descriptor) {
  ShownManifest shown{.descriptor = descriptor, .bytes = std::move(bytes), .subject = {}};
  const std::string what = descriptor.digest.str();
  const auto json = TRY(image::parse_json(shown.bytes, what));
  shown.subject = subject_of(json);
  auto& type = shown.descriptor.media_type;
  if (type.empty()) type = TRY(TRY(image::ObjectReader::make(json, what)).string("mediaType"));
  if (type.empty()) type = json.contains("manifests") ? image::kOciIndex : image::kOciManifest;
  return shown;
}

Result<ShownManifest> read_shown(const image::ImageFiles& files, const image::Descriptor& descriptor) {
  return shown_from(TRY(image::read_blob(files, descriptor)), descriptor);
}

std::vector<Digest> names_in(const image::Document& document) {
  std::vector<Digest> names;
  if (document.index)
    for (const auto& entry : document.index->entries) names.push_back(entry.descriptor.digest);
  if (document.manifest) {
    names.push_back(document.manifest->config.digest);
    for (const auto& layer : document.manifest->layers) names.push_back(layer.digest);
  }
  return names;
}

}  // namespace

std::vector<image::Reference> store_names(const std::string& repository) {
  std::vector<std::string> texts;
  if (const auto host = host_of(repository); host == "localhost")
    texts = {repository};
  else if (!host.empty())
    texts = {"localhost/" + repository, repository};
  else
    texts = {"localhost/" + repository, "docker.io/" + repository, "docker.io/library/" + repository};
  std::vector<image::Reference> names;
  for (const auto& text : texts)
    if (auto name = image::parse_reference(text)) names.push_back(*std::move(name));
  return names;
}

std::string repository_of(const image::Reference& reference) {
  if (reference.registry == "localhost") return reference.repository;
  if (reference.registry == "docker.io" && reference.repository.starts_with("library/"))
    return reference.repository.substr(std::string_view("library/").size());
  return reference.registry == "docker.io" ? reference.repository : reference.name();
}

bool Catalog::is_visible(const image::StoredImage& image, const std::string& repository) {
  if (image.names.empty()) return true;
  if (std::ranges::any_of(image.names, [&](const auto& name) { return is_of(name, repository); }))
    return true;
  const Lock lock(mutex_);
  return put_by_digest_.contains({repository, image.target.digest});
}

Result<std::shared_ptr<image::ImageStore>> Catalog::store() const {
  return std::shared_ptr<image::ImageStore>(TRY(image::ImageStore::open(place_)));
}

Result<bool> Catalog::is_below(const image::ImageStore& store, const image::StoredImage& image,
                               const Digest& digest) const {
  bool found = false;
  if (!image::is_index_type(image.target.media_type)) return false;
  TRY(image::walk_image(store.files(image), image.target, [&](const image::ImagePart& part) -> Result<void> {
    const bool document =
        part.kind == image::ImagePart::Kind::index || part.kind == image::ImagePart::Kind::manifest;
    found = found || (document && !part.is_absent && part.descriptor.digest == digest);
    return {};
  }));
  return found;
}

Result<std::optional<Catalog::Found>> Catalog::find(const image::ImageStore& store, const std::string& repository,
                                                    const std::string& reference) {
  const auto images = TRY(store.list());
  if (const auto digest = Digest::parse(reference)) {
    for (const auto& image : images)
      if (image.target.digest == *digest && is_visible(image, repository)) return std::optional(Found{.image = image});
    for (auto image : images) {
      // The index may be damaged, and that is nobody's business who asks for something else.
      const auto below =
          is_visible(image, repository) ? is_below(store, image, *digest) : Result<bool>(false);
      if (!below || !*below) continue;
      // The index says how long it is, and walking it has compared that.
      const auto lies = TRY(store.files(image).locate(image::blob_name(*digest)));
      Found found{.image = std::move(image)};
      found.index = found.image.target.digest;
      found.image.target = {.media_type = "", .digest = *digest, .size = lies.length.value_or(0)};
      found.image.names.clear();
      return std::optional(std::move(found));
    }
    return std::optional<Found>();
  }
  for (auto candidate : store_names(repository)) {
    candidate.tag = reference;
    for (const auto& image : images)
      if (std::ranges::find(image.names, candidate) != image.names.end()) return std::optional(Found{.image = image});
  }
  return std::optional<Found>();
}

Result<ShownManifest> Catalog::manifest(const std::string& repository, const std::string& reference) {
  const auto store = TRY(this->store());
  const auto found = TRY(find(*store, repository, reference));
  if (!found) return Error(ENOENT);
  return read_shown(store->files(found->image), found->image.target);
}

Result<PutManifest> Catalog::put_manifest(const std::string& repository, const std::string& reference,
                                          const std::string& media_type, const std::string& bytes,
                                          const std::vector<std::string>& tags) {
  const auto names = store_names(repository);
  if (names.empty()) return fail(EINVAL, "\"{}\" is no name for a repository", repository);
  const auto document = TRY(image::parse_any_document(bytes, media_type, "the manifest"));
  const auto asked = Digest::parse(reference);
  const auto digest = Digest::of(bytes, asked ? asked->algorithm() : Digest::Algorithm::sha256);
  if (asked && *asked != digest) return fail(EBADMSG, "the manifest's digest is {}", digest.str());
  std::vector<image::Reference> wanted;
  for (const auto& tag : asked ? tags : std::vector{reference})
    wanted.push_back(TRY(image::parse_reference(names.front().name() + ":" + tag)));
  const auto store = TRY(this->store());
  auto stated = document.media_type.empty() ? media_type : document.media_type;
  if (stated.empty()) stated = document.index ? image::kOciIndex : image::kOciManifest;
  const auto descriptor = TRY(store->put_blob(bytes, std::move(stated), digest.algorithm()));
  for (const auto& name : wanted) TRY(store->set_reference(name, descriptor));
  auto shown = TRY(shown_from(bytes, descriptor));
  bool is_safe = !wanted.empty() || (shown.subject && open_blob(*shown.subject));
  if (asked) {
    // One that has a name, or lies below an index with a name, is there already.
    const auto known = TRY(find(*store, repository, reference));
    if (!known) TRY(store->keep_unnamed(descriptor));
    is_safe = is_safe || (known && (known->index || !known->image.names.empty()));
    const Lock lock(mutex_);
    put_by_digest_.emplace(repository, digest);
  }
  return PutManifest{.shown = std::move(shown), .names = names_in(document), .is_safe = is_safe};
}

Result<void> Catalog::remove_manifest(const std::string& repository, const std::string& reference) {
  const auto store = TRY(this->store());
  const auto found = TRY(find(*store, repository, reference));
  if (!found) return Error(ENOENT);
  if (found->index) return fail(EPERM, "{} is part of the index {}, which is what can be deleted", reference, found->index->str());
  const auto& image = found->image;
  const bool by_digest = Digest::parse(reference).has_value();
  if (by_digest) {
    const Lock lock(mutex_);
    put_by_digest_.erase({repository, image.target.digest});
  }
  bool others = false;
  for (const auto& name : image.names) {
    const bool here = is_of(name, repository) && (by_digest || name.tag == reference);
    if (here) TRY(store->remove_reference(name));
    others = others || !here;
  }
  if (!by_digest || others) return {};
  auto removed = store->remove_image(image.target.digest, 0);
  // Named in another repository meanwhile, where it stays.
  return !removed && removed.error().is(EBUSY) ? Result<void>() : std::move(removed);
}

Result<std::vector<std::string>> Catalog::tags(const std::string& repository) {
  const auto store = TRY(this->store());
  std::set<std::string> tags;
  bool known = false;
  for (const auto& image : TRY(store->list()))
    for (const auto& name : image.names)
      if (is_of(name, repository)) {
        known = true;
        if (!name.tag.empty()) tags.insert(name.tag);
      }
  if (!known) return Error(ENOENT);
  return std::vector<std::string>(tags.begin(), tags.end());
}

Result<std::vector<std::string>> Catalog::repositories() {
  const auto store = TRY(this->store());
  std::set<std::string> names;
  for (const auto& image : TRY(store->list()))
    for (const auto& name : image.names) names.insert(repository_of(name));
  return std::vector<std::string>(names.begin(), names.end());
}

Result<std::vector<image::IndexEntry>> Catalog::referrers(const std::string& repository, const Digest& digest,
                                                          const std::string& artifact_type) {
  const auto store = TRY(this->store());
  std::vector<image::IndexEntry> found;
  for (const auto& image : TRY(store->list())) {
    if (!is_visible(image, repository)) continue;
    const auto shown = read_shown(store->files(image), image.target);
    if (!shown || shown->subject != digest) continue;  // a damaged one refers to nothing
    auto entry = referrer_entry(shown->descriptor, TRY(image::parse_json(shown->bytes, digest.str())));
    if (artifact_type.empty() || entry.artifact_type == artifact_type) found.push_back(std::move(entry));
  }
  return found;
}

Result<Fd> Catalog::open_blob(const Digest& digest) const {
  auto dirs = place_.shared;
  dirs.insert(dirs.begin(), place_.dir);
  for (const auto& dir : dirs) {
    // Links are followed, as DirectoryFiles does: stores may be laid out as links to elsewhere. And nobody is waited for at a FIFO.
    auto file = sys::open(dir + "/" + image::blob_name(digest), O_RDONLY | O_NONBLOCK);
    if (!file && file.error().is(ENOENT)) continue;
    if (file && !S_ISREG(TRY(sys::stat(file->ref())).st_mode)) return fail(EIO, "{} in {} is not a regular file", image::blob_name(digest), dir);
    return file;
  }
  return Error(ENOENT);
}

}  // namespace acetate::registry
