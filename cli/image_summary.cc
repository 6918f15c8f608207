#include "cli/image_summary.h"

#include "layers/image/config.h"
#include "layers/image/image_walk.h"
#include "layers/image/platform.h"

namespace acetate::cli {

namespace {

constexpr int kAnyPlatform = 1'000'000;

class Summary {
 public:
  Summary(const image::ImageFiles& files, const image::StoredImage& stored, const image::Platform& preferred)
      : files_(files), preferred_(preferred) {
    out_.stored = stored;
    out_.id = out_.manifest = stored.target.digest;
  }

  ImageSummary make() && {
    const auto walked = image::walk_image(files_, out_.stored.target, [&](const image::ImagePart& part) { return add(part); });
    if (!walked) out_.problem = walked.error().message();
    return std::move(out_);
  }

 private:
  using Kind = image::ImagePart::Kind;

  Result<void> add(const image::ImagePart& part) {
    if (part.is_absent) return {};
    out_.size += part.descriptor.size;
    if (part.kind != Kind::layer) out_.digests.push_back(part.descriptor.digest);
    return part.kind == Kind::manifest ? add_manifest(part) : Result<void>();
  }

  Result<void> add_manifest(const image::ImagePart& part) {
    const auto what = "the manifest " + part.descriptor.digest.str();
    const auto document = TRY(image::parse_any_document(part.text, part.descriptor.media_type, what));
    if (!document.manifest->artifact_type.empty()) {
      if (best_ > kAnyPlatform) out_.artifact_type = document.manifest->artifact_type;
      return {};
    }
    const auto& descriptor = document.manifest->config;
    auto config = TRY(image::parse_config(TRY(read_blob(files_, descriptor)), "the image config " + descriptor.digest.str()));
    // Attestations have the form of images for a platform that is none.
    if (config.platform.os == "unknown") return {};
    out_.platforms.push_back(config.platform);
    const int rank = image::platform_rank(preferred_, config.platform).value_or(kAnyPlatform);
    if (rank >= best_) return {};
    best_ = rank;
    out_.id = descriptor.digest;
    out_.manifest = part.descriptor.digest;
    out_.config = std::move(config);
    out_.artifact_type.clear();
    return {};
  }

  const image::ImageFiles& files_;
  const image::Platform& preferred_;
  ImageSummary out_ = {};
  int best_ = kAnyPlatform + 1;
};

}  // namespace

std::optional<Digest> id_of(const image::Image& image) {
  if (image.id || image.config.raw.empty()) return image.id;
  return Digest::of(image.config.raw);
}

ImageSummary summarise(const image::ImageStore& store, const image::StoredImage& stored,
                       const image::Platform& preferred) {
  return summarise(store.files(stored), stored, preferred);
}

ImageSummary summarise(const image::ImageFiles& files, const image::StoredImage& stored,
                       const image::Platform& preferred) {
  return Summary(files, stored, preferred).make();
}

}  // namespace acetate::cli
