#include "layers/image/image_walk.h"

#include <set>

#include "layers/image/media_type.h"

namespace acetate::image {

namespace {

constexpr int kMaxNesting = 8;

using Kind = ImagePart::Kind;

class Walk {
 public:
  Walk(const ImageFiles& files, const std::function<Result<void>(const ImagePart&)>& each)
      : files_(files), each_(each) {}

  Result<void> document(const Descriptor& descriptor, int depth) {
    if (!seen_.insert(descriptor.digest).second) return {};
    if (depth > kMaxNesting)
      return fail(ELOOP, "the indexes below {} are nested too deeply", descriptor.digest.str());
    if (++documents_ > kMaxDocuments)
      return fail(EFBIG, "{} has more than {} manifests", files_.where(), kMaxDocuments);
    auto text = TRY(read_blob(files_, descriptor));
    const auto document = TRY(parse_any_document(text, descriptor.media_type,
                                                 "the manifest " + descriptor.digest.str()));
    if (document.index)
      TRY(children(descriptor, *document.index, depth));
    else
      TRY(blobs(*document.manifest));
    const auto kind = document.index ? Kind::index : Kind::manifest;
    return each_({.kind = kind, .descriptor = descriptor, .text = std::move(text)});
  }

 private:
  Result<void> children(const Descriptor& parent, const Index& index, int depth) {
    std::size_t present = 0;
    for (const auto& entry : index.entries) {
      const auto& child = entry.descriptor;
      if (auto there = files_.locate(blob_name(child.digest)); !there) {
        if (!there.error().is(ENOENT)) return std::move(there).error();
        const auto kind = is_index_type(child.media_type) ? Kind::index : Kind::manifest;
        if (seen_.insert(child.digest).second)
          TRY(each_({.kind = kind, .descriptor = child, .is_absent = true}));
        continue;
      }
      ++present;
      TRY(document(child, depth + 1));
    }
    if (present == 0 && !index.entries.empty())
      return fail(ENOENT, "{} has no image of the index {}; the image is incomplete", files_.where(),
                  parent.digest.str());
    return {};
  }

  Result<void> blobs(const Manifest& manifest) {
    TRY(blob(Kind::config, manifest.config));
    for (const auto& layer : manifest.layers) TRY(blob(Kind::layer, layer));
    return {};
  }

  Result<void> blob(Kind kind, const Descriptor& descriptor) {
    if (!seen_.insert(descriptor.digest).second) return {};
    const auto there = locate_blob(files_, descriptor);
    const bool may_lack = is_foreign_layer(descriptor.media_type) && !there && there.error().is(ENOENT);
    if (!there && !may_lack) return there.error().clone();
    return each_({.kind = kind, .descriptor = descriptor, .is_absent = may_lack});
  }

  const ImageFiles& files_;
  const std::function<Result<void>(const ImagePart&)>& each_;
  std::set<Digest> seen_ = {};
  std::size_t documents_ = 0;
};

}  // namespace

Result<void> walk_image(const ImageFiles& files, const Descriptor& top,
                        const std::function<Result<void>(const ImagePart&)>& each) {
  return Walk(files, each).document(top, 0);
}

}  // namespace acetate::image
