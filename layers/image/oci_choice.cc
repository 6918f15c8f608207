#include "layers/image/oci_choice.h"

#include <algorithm>
#include <set>

#include "layers/image/layout_index.h"
#include "layers/image/media_type.h"
#include "layers/image/oci_image.h"
#include "layers/image/platform.h"

namespace acetate::image {

namespace {

constexpr int kMaxNesting = 8;          // indexes inside indexes; one is usual
constexpr int kNoPlatform = 1'000'000;
constexpr std::size_t kMaxRead = 1000;  // indexes read for one choice: a tree of them can be wide

std::string annotation(const IndexEntry& entry, const char* key) {
  const auto found = entry.annotations.find(key);
  return found == entry.annotations.end() ? std::string() : found->second;
}

bool is_named(const IndexEntry& entry, const std::string& reference) {
  if (entry.descriptor.digest.str() == reference || annotation(entry, kRefName) == reference) return true;
  const auto name = name_of(entry);
  return !name.empty() && same_image_name(name, reference);
}

std::string joined(const std::set<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

// Entries of index.json that the reference names. Without one: all, if they are one image.
Result<std::vector<IndexEntry>> named_entries(const ImageFiles& files, const Index& top,
                                              const std::optional<std::string>& reference) {
  std::vector<IndexEntry> images, named;
  std::set<std::string> names;
  for (const auto& entry : top.entries) {
    if (!is_image(entry)) continue;
    images.push_back(entry);
    const auto name = name_of(entry);
    names.insert(name.empty() ? entry.descriptor.digest.str() : name);
  }
  if (images.empty()) return fail(ENOENT, "{} holds no image", files.where());
  if (reference) {
    std::ranges::copy_if(images, std::back_inserter(named),
                         [&](const auto& e) { return is_named(e, *reference); });
    if (named.empty())
      return fail(ENOENT, "{} holds no image named \"{}\"; it holds {}", files.where(), *reference,
                  joined(names));
    return named;
  }
  // One image under several names, or one name with an entry for each platform, is no question.
  const auto same_digest = [&](const auto& e) { return e.descriptor.digest == images[0].descriptor.digest; };
  const auto same_name = [&](const auto& e) { return name_of(e) == name_of(images[0]); };
  const auto has_platform = [](const auto& e) { return e.platform.has_value(); };
  if (std::ranges::all_of(images, same_digest)) return std::vector(1, images[0]);
  if (std::ranges::all_of(images, same_name) && std::ranges::all_of(images, has_platform)) return images;
  return fail(EINVAL, "{} holds {} images, name one of: {}", files.where(), names.size(), joined(names));
}

// Finds the best manifest below some entries, reading nested indexes on the way.
class PlatformSearch {
 public:
  PlatformSearch(const ImageFiles& files, const Platform& want) : files_(files), want_(want) {}

  Result<void> visit(const std::vector<IndexEntry>& entries, int depth) {
    if (depth > kMaxNesting)
      return fail(ELOOP, "indexes in {} are nested deeper than {}", files_.where(), kMaxNesting);
    for (const auto& entry : entries) {
      if (!is_image(entry)) continue;
      if (is_index_type(entry.descriptor.media_type))
        TRY(descend(entry, depth));
      else
        TRY(consider(entry, depth));
    }
    return {};
  }

  std::optional<IndexEntry> best() const { return best_; }
  std::string what_there_is() const { return joined(seen_); }

 private:
  Result<void> descend(const IndexEntry& entry, int depth) {
    if (++read_ > kMaxRead) return fail(EFBIG, "{} has more than {} indexes", files_.where(), kMaxRead);
    // A platform on an index speaks for all that is in it.
    if (entry.platform && !platform_rank(want_, *entry.platform)) {
      seen_.insert(format_platform(*entry.platform));
      return {};
    }
    if (depth != 0 && !TRY(has(entry.descriptor))) return {};
    const auto text = TRY(read_blob(files_, entry.descriptor));
    const auto what = fmt::format("the index {} in {}", entry.descriptor.digest.str(), files_.where());
    const auto document = TRY(parse_document(text, entry.descriptor.media_type, what));
    if (!document.index) return fail(EINVAL, "{} is none", what);
    return visit(document.index->entries, depth + 1);
  }

  Result<void> consider(const IndexEntry& entry, int depth) {
    const auto rank = fitness(entry, want_);
    // Images are pulled for one platform: the others of an index are known by name only.
    const bool is_here = depth == 0 || TRY(has(entry.descriptor));
    if (entry.platform)
      seen_.insert(format_platform(*entry.platform) + (is_here ? "" : " (not fetched)"));
    if (!is_here || !rank || *rank >= best_rank_) return {};
    best_rank_ = *rank;
    best_ = entry;
    return {};
  }

  Result<bool> has(const Descriptor& descriptor) const {
    const auto there = files_.locate(blob_name(descriptor.digest));
    if (!there && !there.error().is(ENOENT)) return there.error().clone();
    return there.has_value();
  }

  const ImageFiles& files_;
  const Platform& want_;
  std::optional<IndexEntry> best_ = {};
  int best_rank_ = kNoPlatform + 1;
  std::set<std::string> seen_ = {};
  std::size_t read_ = 0;
};

// A digest that index.json does not list may still be that of a manifest deeper down.
Result<std::optional<std::vector<IndexEntry>>> entry_by_digest(const ImageFiles& files, const Index& top,
                                                               const std::string& reference) {
  using Found = std::optional<std::vector<IndexEntry>>;
  const auto digest = Digest::parse(reference);
  if (!digest) return Found();
  for (const auto& entry : top.entries)
    if (entry.descriptor.digest == *digest) return Found();
  auto spec = files.locate(blob_name(*digest));
  if (!spec && spec.error().is(ENOENT)) return Found();
  if (!spec) return std::move(spec).error();
  Descriptor descriptor{.media_type = {}, .digest = *digest, .size = *spec->length};
  const auto text = TRY(read_blob(files, descriptor));
  const auto document =
      TRY(parse_document(text, {}, fmt::format("the blob {} in {}", reference, files.where())));
  descriptor.media_type = document.media_type.empty() ? std::string(document.index ? kOciIndex : kOciManifest)
                                                      : document.media_type;
  return Found(std::vector{IndexEntry{.descriptor = std::move(descriptor)}});
}

}  // namespace

bool is_image(const IndexEntry& entry) {
  const auto& type = entry.descriptor.media_type;
  if (!is_index_type(type) && !is_manifest_type(type)) return false;
  // buildkit's provenance has neither an artifact's type nor a platform that there is.
  const bool is_told_of = entry.annotations.contains("vnd.docker.reference.type") || (entry.platform && entry.platform->os == "unknown");
  return entry.artifact_type.empty() && !is_told_of;
}

std::optional<int> fitness(const IndexEntry& entry, const Platform& platform) {
  return entry.platform ? platform_rank(platform, *entry.platform) : std::optional(kNoPlatform);
}

Result<std::vector<IndexEntry>> find_entries(const ImageFiles& files, const Index& top,
                                             const std::optional<std::string>& asked) {
  auto reference = asked;
  if (reference && reference->starts_with('@')) reference->erase(0, 1);
  if (reference)
    if (auto entries = TRY(entry_by_digest(files, top, *reference))) return *std::move(entries);
  return named_entries(files, top, reference);
}

Result<ChosenManifest> choose_manifest(const ImageFiles& files, const std::vector<IndexEntry>& entries,
                                       const Platform& platform) {
  PlatformSearch search(files, platform);
  TRY(search.visit(entries, 0));
  const auto best = search.best();
  if (!best)
    return fail(ENOENT, "{} has no image for {}; it has {}", files.where(), format_platform(platform),
                search.what_there_is().empty() ? "none at all" : search.what_there_is());

  const auto text = TRY(read_blob(files, best->descriptor));
  const auto what = fmt::format("the manifest {} in {}", best->descriptor.digest.str(), files.where());
  auto document = TRY(parse_document(text, best->descriptor.media_type, what));
  if (!document.manifest) return fail(EINVAL, "{} is none", what);
  return ChosenManifest{.manifest = std::move(*document.manifest),
                        .descriptor = best->descriptor,
                        .platform_was_matched = best->platform.has_value()};
}

}  // namespace acetate::image
