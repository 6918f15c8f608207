// Images of one name: a manifest where there is one and nothing to be told of it, else an index.

#include <ctime>

#include "builder/export.h"
#include "layers/image/manifest.h"
#include "layers/image/media_type.h"

namespace acetate::build {

namespace {

Result<ExportedImage> export_index(const ExportRequest& request, image::Layout& layout, const Packing& packing) {
  image::Index index;
  Digest only;
  for (const BuiltImage& image : request.images) {
    const ExportedImage exported = TRY(export_image(request, image.state, layout, packing));
    only = exported.config;
    image::Platform platform = image.platform;
    if (platform.os_version.empty()) platform.os_version = image.state.config.platform.os_version;  // its base's
    index.entries.push_back({.descriptor = exported.manifest, .platform = std::move(platform)});
  }
  const std::int64_t now = std::time(nullptr);
  for (std::size_t n = 0; request.provenance && n < request.images.size(); ++n) {
    const BuiltImage& image = request.images[n];
    const image::Descriptor manifest = index.entries[n].descriptor;
    const std::string statement = provenance_statement(*request.provenance, image.materials, manifest, image.platform, request.tags, now);
    index.entries.push_back(TRY(put_provenance(statement, manifest, layout)));
  }
  const image::Descriptor top = TRY(layout.put_blob(image::to_json(index), std::string(image::kOciIndex)));
  return ExportedImage{.config = request.images.size() == 1 ? only : top.digest, .manifest = top};
}

}  // namespace

Result<ExportedImage> export_images(const ExportRequest& request, image::Layout& layout, const Packing& packing) {
  const ExportedImage exported = request.images.size() == 1 && !request.provenance ? TRY(export_image(request, request.images.front().state, layout, packing))
                                                            : TRY(export_index(request, layout, packing));
  for (const std::string& tag : request.tags) TRY(layout.set_reference(tag, exported.manifest));
  return exported;
}

}  // namespace acetate::build
