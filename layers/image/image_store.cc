#include "layers/image/image_store.h"

#include <fcntl.h>

#include <algorithm>

#include "base/sys/file.h"
#include "layers/image/image_walk.h"
#include "layers/image/json.h"
#include "layers/image/lazy_images.h"
#include "layers/image/layout_index.h"
#include "layers/image/store_lock.h"
#include "layers/image/store_state.h"

namespace acetate::image {

namespace {

Result<bool> is_layout(const std::string& dir) {
  const auto marker = sys::stat_following(dir + "/oci-layout");
  if (!marker && (marker.error().is(ENOENT) || marker.error().is(ENOTDIR))) return false;
  if (!marker) return marker.error().clone().within("looking at the image store " + dir);
  return true;
}

// The normal form of an entry's name. Other tools may have put in names that are none: those stay as they are.
std::string normal_name(const Json& entry) {
  const auto name = name_of(entry);
  const auto reference = parse_reference(name);
  return reference ? reference->str() : name;
}

Json entry_for(const Descriptor& target) {
  return {{"mediaType", target.media_type}, {"digest", target.digest.str()}, {"size", target.size}};
}

bool is_of(const Json& entry, const Digest& digest) {
  return entry.is_object() && entry.value("digest", Json()) == digest.str();
}

bool has_image(const Json& entries, const std::string& digest) {
  return std::ranges::any_of(entries, [&](const Json& e) { return e.is_object() && e.value("digest", Json()) == digest; });
}

// Takes a name off whatever has it. What is nameless then stays in the list once, as an image without a name.
bool take_name(Json& entries, const std::string& name) {
  Json kept = Json::array(), nameless = Json::array();
  for (auto& entry : entries) {
    if (normal_name(entry) != name) {
      kept.push_back(std::move(entry));
      continue;
    }
    entry["annotations"].erase(kRefName);
    entry["annotations"].erase(kContainerdName);
    if (entry["annotations"].empty()) entry.erase("annotations");
    nameless.push_back(std::move(entry));
  }
  const bool found = !nameless.empty();
  for (auto& entry : nameless)
    if (!has_image(kept, entry.value("digest", ""))) kept.push_back(std::move(entry));
  entries = std::move(kept);
  return found;
}

Result<void> copy_blob(const LayerSpec& from, const Descriptor& blob, ImageStore& to) {
  const auto writer = TRY(to.new_blob(blob));
  TRY(copy_bytes(from, *writer));
  TRY(writer->commit(blob.media_type));
  return {};
}

}  // namespace

Result<std::unique_ptr<ImageStore::State>> ImageStore::State::open(const StorePlace& place) {
  auto state = std::make_unique<State>(State{.place = place});
  if (TRY(is_layout(place.dir))) {
    state->dir = TRY_WITHIN(sys::open(place.dir, O_RDONLY | O_DIRECTORY), "opening the image store {}", place.dir);
    auto files = TRY(directory_files(place.dir));
    state->parts.push_back({.dir = place.dir, .files = std::move(files)});
  }
  for (const auto& dir : place.shared) {
    if (!TRY(is_layout(dir))) continue;
    auto files = TRY(directory_files(dir));
    state->parts.push_back({.dir = dir, .files = std::move(files), .is_shared = true});
  }
  return state;
}

const ImageStore::State::Part& ImageStore::State::part_of(const StoredImage& stored) const {
  const auto found = std::ranges::find(parts, stored.store, &Part::dir);
  assert(found != parts.end() && "a stored image is asked of the store it came from");
  return *found;
}

Result<Layout*> ImageStore::State::writable() const {
  if (layout == nullptr) return fail(EROFS, "the image store {} was opened to be read", place.dir);
  return layout.get();
}

Result<void> ImageStore::State::edit(const std::function<Result<bool>(Json&)>& edit) const {
  TRY(writable());
  return edit_index(dir.ref(), place.dir, edit);
}

ImageStore::ImageStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
ImageStore::~ImageStore() = default;

Result<std::unique_ptr<ImageStore>> ImageStore::open(const StorePlace& place) {
  auto layout = TRY(Layout::open(place.dir));
  auto hold = TRY(hold_store(place.dir, true));
  auto state = TRY(State::open(place));
  state->layout = std::move(layout);
  state->hold = std::move(hold);
  return std::unique_ptr<ImageStore>(new ImageStore(std::move(state)));
}

Result<std::unique_ptr<ImageStore>> ImageStore::open_to_read(const StorePlace& place) {
  auto hold = TRY(hold_store(place.dir, false));
  auto state = TRY(State::open(place));
  state->hold = std::move(hold);
  return std::unique_ptr<ImageStore>(new ImageStore(std::move(state)));
}

Result<std::unique_ptr<ImageStore>> ImageStore::open_locked(const StorePlace& place) {
  auto state = TRY(State::open(place));
  state->layout = TRY(Layout::open(place.dir));
  return std::unique_ptr<ImageStore>(new ImageStore(std::move(state)));
}

Result<std::unique_ptr<BlobWriter>> ImageStore::new_blob(const std::optional<Descriptor>& expected) {
  return TRY(state_->writable())->new_blob(expected);
}

Result<Descriptor> ImageStore::put_blob(std::string_view bytes, std::string media_type, Digest::Algorithm algorithm) {
  return TRY(state_->writable())->put_blob(bytes, std::move(media_type), algorithm);
}

Result<bool> ImageStore::has_blob(const Digest& digest) const {
  const auto st = sys::stat_following(blob_path(digest));
  if (!st && (st.error().is(ENOENT) || st.error().is(ENOTDIR))) return false;
  if (!st) return st.error().clone().within("looking for " + blob_path(digest));
  return S_ISREG(st->st_mode);
}

std::string ImageStore::blob_path(const Digest& digest) const {
  return state_->place.dir + "/" + blob_name(digest);
}

Result<bool> ImageStore::bring(const Descriptor& blob) {
  for (const auto& part : state_->parts) {
    const auto spec = part.files->locate(blob_name(blob.digest));
    if (!spec && spec.error().is(ENOENT)) continue;
    if (!spec) return spec.error().clone();
    if (*spec->length != blob.size) continue;  // damaged there: as good as absent
    if (!part.is_shared) return true;
    const auto copied = copy_blob(*spec, blob, *this);
    if (copied) return true;
    if (!copied.error().is(EBADMSG)) return copied.error().clone();
  }
  return false;
}

Result<void> ImageStore::set_reference(const Reference& reference, const Descriptor& target) {
  Reference plain = reference;
  plain.digest.reset();
  if (plain.tag.empty()) plain.tag = "latest";
  const auto name = plain.str();
  // A name is a promise that the image is there.
  TRY(walk_image(*TRY(directory_files(state_->place.dir)), target, [](const ImagePart&) { return Result<void>(); }));
  TRY(state_->edit([&](Json& entries) -> Result<bool> {
    take_name(entries, name);
    // Without a name it need not be there once more.
    std::erase_if(entries.get_ref<Json::array_t&>(),
                  [&](const Json& e) { return is_of(e, target.digest) && name_of(e).empty(); });
    Json entry = entry_for(target);
    entry["annotations"] = {{kRefName, name}, {kContainerdName, name}};
    entries.push_back(std::move(entry));
    return true;
  }));
  return LazyImages(dir()).give_up({plain}, target.digest);
}

Result<void> ImageStore::set_reference(const std::string& name, const Descriptor& target) {
  return set_reference(TRY(parse_reference(name)), target);
}

Result<void> ImageStore::keep_unnamed(const Descriptor& target) {
  TRY(walk_image(*TRY(directory_files(state_->place.dir)), target, [](const ImagePart&) { return Result<void>(); }));
  return state_->edit([&](Json& entries) -> Result<bool> {
    if (has_image(entries, target.digest.str())) return false;
    entries.push_back(entry_for(target));
    return true;
  });
}

Result<void> ImageStore::remove_reference(const Reference& reference) {
  bool found = false;
  TRY(state_->edit([&](Json& entries) -> Result<bool> { return found = take_name(entries, reference.str()); }));
  return found ? LazyImages(dir()).give_up({reference}) : Error(ENOENT);
}

Result<bool> ImageStore::remove_last_reference(const Reference& reference, const Digest& target, const std::function<Result<void>()>& may_go) {
  const auto name = reference.str();
  bool found = false, is_gone = false;
  TRY(state_->edit([&](Json& entries) -> Result<bool> {
    const auto has_it = [&](const Json& entry) { return is_of(entry, target) && normal_name(entry) == name; };
    found = std::ranges::any_of(entries, has_it);
    if (!found) return false;
    is_gone = std::ranges::none_of(entries, [&](const Json& entry) { return is_of(entry, target) && !has_it(entry) && !name_of(entry).empty(); });
    if (is_gone) TRY(may_go());
    std::erase_if(entries.get_ref<Json::array_t&>(), [&](const Json& entry) { return is_gone ? is_of(entry, target) : has_it(entry); });
    return true;
  }));
  if (!found) return Error(ENOENT);
  TRY(LazyImages(dir()).give_up({reference}));
  return is_gone;
}

Result<void> ImageStore::remove_image(const Digest& target, std::size_t most_names) {
  std::size_t removed = 0;
  std::vector<Reference> names;
  TRY(state_->edit([&](Json& entries) -> Result<bool> {
    const auto has_name = [&](const Json& entry) { return is_of(entry, target) && !name_of(entry).empty(); };
    if (static_cast<std::size_t>(std::ranges::count_if(entries, has_name)) > most_names) return Error(EBUSY);
    removed = std::erase_if(entries.get_ref<Json::array_t&>(), [&](const Json& e) {
      if (!is_of(e, target)) return false;
      if (auto name = parse_reference(name_of(e))) names.push_back(*std::move(name));
      return true;
    });
    return removed > 0;
  }));
  return removed > 0 ? LazyImages(dir()).give_up(names) : Error(ENOENT);
}

const ImageFiles& ImageStore::files(const StoredImage& stored) const { return *state_->part_of(stored).files; }

const std::string& ImageStore::dir() const { return state_->place.dir; }

std::shared_ptr<const void> ImageStore::hold() const { return state_->hold; }

}  // namespace acetate::image
