#include "layers/image/lazy_images.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "layers/image/image_walk.h"
#include "layers/image/json.h"
#include "layers/image/names_meant.h"
#include "layers/image/oci_image.h"
#include "layers/stream/partial_blob.h"

namespace acetate::image {

namespace {

constexpr const char* kIndexes = "org.acetate.layer-indexes";
constexpr const char* kBelieved = "believed";

bool has_annotation(const IndexEntry& entry, const char* key, const char* value) {
  const auto found = entry.annotations.find(key);
  return found != entry.annotations.end() && found->second == value;
}

class LazyFiles final : public ImageFiles {
 public:
  LazyFiles(std::unique_ptr<ImageFiles> whole, std::string lazy) : whole_(std::move(whole)), lazy_(std::move(lazy)) {}

  Result<LayerSpec> locate(const std::string& name) const override {
    auto there = whole_->locate(name);
    if (there || !there.error().is(ENOENT)) return there;
    const auto digest = digest_of_blob_name(name);
    if (!digest) return there;
    const auto partial = PartialBlob::open(lazy_, *digest);
    if (!partial && partial.error().is(ENOENT)) return there;
    if (!partial && !partial.error().is(EBADMSG)) return partial.error().clone();
    // One that is damaged is as good as one of which nothing is here: whoever opens it hears what is wrong.
    const std::uint64_t size =
        partial ? (*partial)->size()
                : static_cast<std::uint64_t>(TRY(sys::stat_following(lazy_ + "/" + PartialBlob::data_name(*digest))).st_size);
    return LayerSpec{.path = where() + "/" + name, .length = size, .lazy = true};
  }
  const std::string& where() const override { return whole_->where(); }

 private:
  const std::unique_ptr<ImageFiles> whole_;
  const std::string lazy_;
};

Result<void> make_index(const std::string& path) {
  TRY_WITHIN(sys::make_dirs(path, 0700), "making {}", path);
  const auto lock = TRY(LayoutLock::take(path));
  if (const auto there = sys::stat_following(path + "/index.json"); there || !there.error().is(ENOENT)) return {};
  const Fd dir = TRY_WITHIN(sys::open(path, O_RDONLY | O_DIRECTORY), "opening {}", path);
  return TRY_WITHIN(sys::write_file_atomically({dir.ref(), "index.json"}, to_json(Index{}), 0600), "making {}", path);
}

bool is_whole(const StoredImage& image, const ImageFiles& store) {
  return walk_image(store, image.target, [](const ImagePart&) { return Result<void>(); }).has_value();
}

// A name that the store has been given meanwhile is newer than ours.
Result<bool> may_name(const ImageStore& store, Reference name, const Digest& target) {
  if (name.tag.empty()) return false;
  name.digest.reset();  // the store keeps the tag
  const auto found = store.find(name.str());
  if (!found && !found.error().is(ENOENT)) return found.error().clone();
  return !found || found->target.digest == target;
}

Result<void> give(ImageStore& store, const StoredImage& image) {
  for (const auto& name : image.names) {
    const bool named = TRY(may_name(store, name, image.target.digest));
    TRY(named ? store.set_reference(name, image.target) : store.keep_unnamed(image.target));
  }
  return {};
}

}  // namespace

Digest index_origin(const Reference& name, const Digest& manifest) {
  return Digest::of(fmt::format("{}/{}@{}", name.registry, name.repository, manifest.str()));
}

Result<void> LazyImages::edit(const std::function<Result<bool>(Json&)>& edit) const {
  TRY(make_index(dir()));
  const Fd fd = TRY_WITHIN(sys::open(dir(), O_RDONLY | O_DIRECTORY), "opening {}", dir());
  return edit_index(fd.ref(), dir(), edit);
}

Result<void> LazyImages::set_reference(const Reference& reference, const Descriptor& target, Indexes indexes) const {
  const auto name = reference.str();
  Json annotations = {{kRefName, name}};
  if (indexes == Indexes::believed) annotations[kIndexes] = kBelieved;
  return edit([&](Json& entries) -> Result<bool> {
    std::erase_if(entries.get_ref<Json::array_t&>(), [&](const Json& entry) { return name_of(entry) == name; });
    entries.push_back({{"mediaType", target.media_type},
                       {"digest", target.digest.str()},
                       {"size", target.size},
                       {"annotations", annotations}});
    return true;
  });
}

Result<void> LazyImages::remove_reference(const Reference& reference, const std::optional<Digest>& only) const {
  if (!sys::stat_following(dir() + "/index.json")) return Error(ENOENT);
  std::size_t removed = 0;
  TRY(edit([&](Json& entries) -> Result<bool> {
    removed = std::erase_if(entries.get_ref<Json::array_t&>(),
                            [&](const Json& entry) {
                              return name_of(entry) == reference.str() && (!only || entry.value("digest", "") == only->str());
                            });
    return removed > 0;
  }));
  return removed > 0 ? Result<void>() : Error(ENOENT);
}

Result<void> LazyImages::give_up(const std::vector<Reference>& names, const std::optional<Digest>& now) const {
  if (names.empty() || !sys::stat_following(dir() + "/index.json")) return {};
  return edit([&](Json& entries) -> Result<bool> {
    return std::erase_if(entries.get_ref<Json::array_t&>(), [&](const Json& entry) {
             const auto is_it = [&](const Reference& name) { return name.str() == name_of(entry); };
             return std::ranges::any_of(names, is_it) && !(now && entry.value("digest", "") == now->str());
           }) > 0;
  });
}

Result<std::vector<StoredImage>> LazyImages::list() const {
  std::vector<StoredImage> images;
  const std::string path = dir() + "/index.json";
  const auto text = sys::read_file(path, kMaxDocument);
  if (!text && text.error().is(ENOENT)) return images;
  if (!text) return text.error().clone().within("reading " + path);
  for (const auto& entry : TRY(parse_index(*text, path)).entries)
    if (auto name = parse_reference(name_of(entry)))
      images.push_back({.target = entry.descriptor,
                        .names = {*std::move(name)},
                        .store = store(),
                        .indexes_believed = has_annotation(entry, kIndexes, kBelieved)});
  return images;
}

Result<StoredImage> LazyImages::find(std::string_view text) const {
  const auto wanted = names_meant(text, place_);
  if (!wanted && wanted.error().is(EINVAL)) return Error(ENOENT);
  if (!wanted) return wanted.error().clone();
  const auto images = TRY(list());
  for (const auto& name : *wanted)
    for (const auto& image : images)
      if (image.names.front() == name) return image;
  return Error(ENOENT);
}

Result<Image> LazyImages::open_image(const StoredImage& stored, const Platform& platform) const {
  auto image = TRY(read_oci_image(*TRY(files()), {IndexEntry{.descriptor = stored.target}}, platform));
  const auto& name = stored.names.front();
  image.name = name.familiar();
  // As ImageStore::open_image() notes when one was used; where it cannot be, it does not matter.
  const timespec now[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = 0, .tv_nsec = UTIME_NOW}};
  (void)sys::set_times(FileAt{kWorkingDir, (store() + "/" + blob_name(stored.target.digest)).c_str()}, now);
  if (stored.indexes_believed && image.manifest_digest)
    for (auto& layer : image.layers)
      if (layer.spec.lazy) layer.spec.index = index_origin(name, *image.manifest_digest);
  return image;
}

Result<std::unique_ptr<ImageFiles>> LazyImages::files() const {
  return std::unique_ptr<ImageFiles>(std::make_unique<LazyFiles>(TRY(directory_files(store())), dir()));
}

Result<void> LazyImages::settle() const {
  const auto images = TRY(list());
  const auto whole = TRY(directory_files(store()));
  if (std::ranges::none_of(images, [&](const auto& image) { return is_whole(image, *whole); })) return {};
  const auto store = TRY(ImageStore::open(place_));
  for (const auto& image : images) {
    if (!is_whole(image, *whole)) continue;
    auto given = give(*store, image);
    if (given) given = remove_reference(image.names.front(), image.target.digest);
    if (!given && !given.error().is(ENOENT))  // somebody else was faster
      log::warn("{} is whole and cannot be given a name in the store: {}", image.names.front().str(),
                given.error().message());
  }
  return {};
}

Result<std::vector<Digest>> LazyImages::needed() const {
  std::vector<Digest> needed;
  const auto files = TRY(this->files());
  for (const auto& image : TRY(list())) {
    auto walked = walk_image(*files, image.target, [&](const ImagePart& part) -> Result<void> {
      needed.push_back(part.descriptor.digest);
      return {};
    });
    // Of one that lacks something what is there stays. What could not be looked at may need anything.
    if (!walked && !walked.error().is(ENOENT))
      return std::move(walked).error().within(fmt::format("what {} needs (acetate rmi forgets it)", image.names.front().str()));
  }
  return needed;
}

Result<std::map<Digest, LazyImages::Partly>> LazyImages::partly_here() const {
  std::map<Digest, Partly> found;
  const auto path = dir();
  const auto fd = sys::open(path, O_RDONLY | O_DIRECTORY);
  if (!fd && fd.error().is(ENOENT)) return found;
  if (!fd) return fd.error().clone().within("opening " + path);
  TRY_WITHIN(sys::read_dir(fd->ref(), [&](const sys::DirEntry& entry) {
    const auto digest = Digest::from_hex(entry.name.substr(0, entry.name.find('.')));
    const auto st = digest ? sys::stat(FileAt{fd->ref(), std::string(entry.name).c_str()}) : Result<struct stat>(Error(ENOENT));
    if (st) found[*digest].bytes += static_cast<std::uint64_t>(st->st_blocks) * 512;  // else gone meanwhile
    return true;
  }), "reading {}", path);
  for (auto& [digest, partly] : found) {
    const auto data = sys::open({fd->ref(), PartialBlob::data_name(digest).c_str()}, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    partly.is_in_use = data && !sys::flock(data->ref(), LOCK_EX | LOCK_NB);
  }
  return found;
}

Result<void> LazyImages::sweep(const std::set<Digest>& needed_besides) const {
  const auto path = dir();
  const auto fd = sys::open(path, O_RDONLY | O_DIRECTORY);
  if (!fd && fd.error().is(ENOENT)) return {};
  if (!fd) return fd.error().clone().within("opening " + path);
  const auto list = TRY(needed());
  const std::set<Digest> needed(list.begin(), list.end());
  std::vector<std::string> names;
  TRY(sys::read_dir(fd->ref(), [&](const sys::DirEntry& entry) {
    names.emplace_back(entry.name);
    return true;
  }));
  for (const auto& name : names) {
    const auto digest = Digest::from_hex(std::string_view(name).substr(0, name.find('.')));
    if (!digest || needed.contains(*digest) || needed_besides.contains(*digest)) continue;
    const auto data = sys::open({fd->ref(), PartialBlob::data_name(*digest).c_str()}, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    // Somebody reads it, or fills it.
    if (data && !sys::flock(data->ref(), LOCK_EX | LOCK_NB)) continue;
    (void)sys::unlink({fd->ref(), name.c_str()});
  }
  return {};
}

}  // namespace acetate::image
