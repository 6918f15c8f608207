#include "builder/export_registry.h"

#include "builder/export_scratch.h"
#include "layers/image/reference.h"
#include "layers/registry/push.h"
#include "layers/registry/remotes.h"

namespace acetate::build {

Result<ExportedImage> export_to_registry(const ExportRequest& request, const Packing& packing) {
  if (request.tags.empty()) return fail(EINVAL, "what goes to a registry needs a name: -t HOST/NAME:TAG, or --output type=registry,name=HOST/NAME:TAG");
  const ScratchExport made = TRY(export_to_scratch(request, packing));
  const auto remotes = TRY(registry::Remotes::of_this_process());
  for (const std::string& tag : request.tags) {
    const image::Reference name = TRY(image::parse_reference(with_tag(tag)));
    auto repository = TRY(remotes->to_push(name));
    const registry::PushOptions how{.platform = request.images.front().platform, .all_platforms = true};
    TRY_WITHIN(registry::push_image(*made.files, made.exported.manifest, repository, name.tag, {}, how), "pushing {}", name.familiar());
  }
  return made.exported;
}

}  // namespace acetate::build
