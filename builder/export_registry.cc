#include "builder/export_registry.h"

#include <unistd.h>

#include "builder/sandbox/scratch.h"
#include "layers/image/reference.h"
#include "layers/registry/push.h"
#include "layers/registry/remotes.h"

namespace acetate::build {

Result<ExportedImage> export_to_registry(const ExportRequest& request, const Packing& packing) {
  if (request.tags.empty()) return fail(EINVAL, "what goes to a registry needs a name: -t HOST/NAME:TAG, or --output type=registry,name=HOST/NAME:TAG");
  const auto scratch = TRY(sandbox::Scratch::make(request.scratch_base));
  const std::string dir = scratch.path() + "/layout";
  const auto layout = TRY(image::Layout::open(dir));
  const ExportedImage exported = TRY(export_images(request, *layout, packing));
  const auto files = TRY(image::directory_files(dir));
  const auto remotes = TRY(registry::Remotes::make(registry::process_environment, ::getuid(), {}));
  for (const std::string& tag : request.tags) {
    const image::Reference name = TRY(image::parse_reference(with_tag(tag)));
    auto repository = TRY(remotes->to_push(name));
    const registry::PushOptions how{.platform = request.images.front().platform, .all_platforms = true};
    TRY_WITHIN(registry::push_image(*files, exported.manifest, repository, name.tag, {}, how), "pushing {}", name.familiar());
  }
  return exported;
}

}  // namespace acetate::build
