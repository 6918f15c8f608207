// ImageStore: what is in it, and which of its images a text means.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/sys/file.h"
#include "layers/image/image_walk.h"
#include "layers/image/layout_index.h"
#include "layers/image/names_meant.h"
#include "layers/image/oci_choice.h"
#include "layers/image/oci_image.h"
#include "layers/image/platform.h"
#include "layers/image/store_state.h"

namespace acetate::image {

namespace {

// Ids shorter than this are more likely a mistyped name.
constexpr std::size_t kShortestId = 3;

Result<void> add_images(const Index& index, const std::string& store, bool is_shared,
                        std::vector<StoredImage>& images) {
  const std::size_t begin = images.size();
  for (const auto& entry : index.entries) {
    auto known = std::find_if(images.begin() + static_cast<std::ptrdiff_t>(begin), images.end(), [&](const auto& image) {
      return image.target.digest == entry.descriptor.digest;
    });
    if (known == images.end())
      known = images.insert(images.end(), {.target = entry.descriptor, .store = store, .is_shared = is_shared});
    // Other tools may have put in names that are none in docker's sense: the image is known by its id then.
    if (auto name = parse_reference(name_of(entry))) known->names.push_back(*std::move(name));
  }
  return {};
}

bool has_name(const StoredImage& image, const Reference& reference) {
  return std::ranges::find(image.names, reference) != image.names.end();
}

bool has_repository(const StoredImage& image, const Reference& reference) {
  return image.names.empty() ||
         std::ranges::any_of(image.names, [&](const auto& name) { return name.name() == reference.name(); });
}

// Digests an image is known by: its manifests' and its configs'.
std::vector<Digest> digests_of(const ImageFiles& files, const StoredImage& image) {
  std::vector<Digest> digests;
  const auto walked = walk_image(files, image.target, [&](const ImagePart& part) -> Result<void> {
    if (part.kind != ImagePart::Kind::layer && !part.is_absent) digests.push_back(part.descriptor.digest);
    return {};
  });
  // A damaged image is found by what could be read of it; whoever opens it hears what is wrong.
  if (!walked) digests.push_back(image.target.digest);
  return digests;
}

// An id, or its beginning: of which algorithm, where that was said.
struct Id {
  std::string_view hex;
  std::optional<Digest::Algorithm> algorithm = {};

  bool is_of(const Digest& digest) const {
    return (!algorithm || *algorithm == digest.algorithm()) && digest.hex().starts_with(hex);
  }
};

Id id_in(std::string_view text) {
  for (const auto algorithm : Digest::kAlgorithms)
    if (const auto name = name_of(algorithm); text.starts_with(name) && text.substr(name.size()).starts_with(':'))
      return {.hex = text.substr(name.size() + 1), .algorithm = algorithm};
  return {.hex = text};
}

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == text.npos;
}

}  // namespace

Result<std::vector<StoredImage>> ImageStore::list() const {
  std::vector<StoredImage> images;
  for (const auto& part : state_->parts)
    TRY(add_images(TRY(read_layout_index(*part.files)), part.dir, part.is_shared, images));
  return images;
}

Result<StoredImage> ImageStore::find(std::string_view text) const {
  const auto images = TRY(list());
  const Id id = id_in(text);
  const std::size_t most = 2 * Digest::size_of(id.algorithm.value_or(Digest::Algorithm::sha512));
  const bool may_be_id = id.hex.size() >= kShortestId && id.hex.size() <= most && is_hex(id.hex);
  const bool must_be_id = may_be_id && (id.hex.size() == 64 || id.algorithm);

  std::vector<Reference> wanted;
  if (!must_be_id) {
    auto names = names_meant(text, state_->place);
    if (!names && !may_be_id) return std::move(names).error();
    if (names) wanted = *std::move(names);
  }
  for (const auto& reference : wanted) {
    for (const auto& image : images) {
      const bool is_it = reference.digest
                             ? has_repository(image, reference) &&
                                   std::ranges::count(digests_of(files(image), image), *reference.digest) > 0
                             : has_name(image, reference);
      if (is_it) return image;
    }
  }
  std::vector<const StoredImage*> found;
  if (may_be_id)
    for (const auto& image : images)
      if (std::ranges::any_of(digests_of(files(image), image), [&](const Digest& d) { return id.is_of(d); }))
        found.push_back(&image);
  if (found.size() > 1 && id.hex.size() < 64)
    return fail(EINVAL, "\"{}\" is the beginning of {} images' ids; say more of it", text, found.size());
  if (found.empty()) return fail(ENOENT, "there is no image \"{}\" here", text);
  return *found[0];
}

Result<Image> ImageStore::open_image(const StoredImage& stored, const Platform& platform) const {
  // index.json may have said more about it, such as the platform; all that is needed stands in the image itself.
  auto image = TRY(read_oci_image(files(stored), {IndexEntry{.descriptor = stored.target}}, platform));
  image.name = stored.names.empty() ? stored.target.digest.str() : stored.names[0].familiar();
  image.hold = state_->hold;
  // Noted where it can be: in a store that we may not write it does not matter.
  if (!stored.is_shared) {
    const timespec now[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = 0, .tv_nsec = UTIME_NOW}};
    (void)sys::set_times(FileAt{kWorkingDir, blob_path(stored.target.digest).c_str()}, now);
  }
  return image;
}

Result<Image> ImageStore::find_image(std::string_view text, const Platform& platform) const {
  auto image = TRY(open_image(TRY(find(text)), platform));
  image.name = text;
  return image;
}

}  // namespace acetate::image
