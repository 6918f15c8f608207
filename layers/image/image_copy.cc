#include "layers/image/image_copy.h"

#include <algorithm>

#include "layers/image/image_walk.h"
#include "layers/image/layout_index.h"
#include "layers/image/oci_choice.h"

namespace acetate::image {

std::vector<NamedImage> images_in(const Index& index) {
  std::vector<NamedImage> images;
  for (const auto& entry : index.entries) {
    auto known = std::ranges::find(images, entry.descriptor.digest, [](const auto& image) { return image.target.digest; });
    if (known == images.end()) known = images.insert(images.end(), {.target = entry.descriptor});
    if (auto name = name_of(entry); !name.empty()) known->names.push_back(std::move(name));
  }
  return images;
}

Result<void> copy_image(const ImageFiles& from, const Descriptor& target, Layout& to, const HasBlob& has) {
  return walk_image(from, target, [&](const ImagePart& part) -> Result<void> {
    const auto& blob = part.descriptor;
    if (part.is_absent || TRY(has(blob))) return {};
    const auto writer = TRY(to.new_blob(blob));
    // A document was read already, and its bytes are what they should be.
    if (!part.text.empty())
      TRY_WITHIN(writer->write(std::as_bytes(std::span(part.text))), "writing {}", blob.digest.str());
    else
      TRY_WITHIN(copy_bytes(TRY(locate_blob(from, blob)), *writer), "copying {} from {}", blob.digest.str(), from.where());
    TRY_WITHIN(writer->commit(blob.media_type), "copying {} from {}", blob.digest.str(), from.where());
    return {};
  });
}

Result<void> copy_image(const ImageFiles& from, const Descriptor& target, Layout& to) {
  return copy_image(from, target, to, [&](const Descriptor& blob) { return to.has_blob(blob.digest); });
}

Result<void> copy_image(const ImageFiles& from, const Descriptor& target, ImageStore& to) {
  return copy_image(from, target, to, [&](const Descriptor& blob) { return to.bring(blob); });
}

Result<Descriptor> manifest_for(const ImageFiles& from, const Descriptor& target, const Platform& platform) {
  return TRY(choose_manifest(from, {IndexEntry{.descriptor = target}}, platform)).descriptor;
}

}  // namespace acetate::image
