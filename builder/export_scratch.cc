#include "builder/export_scratch.h"

namespace acetate::build {

Result<ScratchExport> export_to_scratch(const ExportRequest& request, const Packing& packing) {
  auto scratch = TRY(sandbox::Scratch::make(request.scratch_base));
  std::string dir = scratch.path() + "/layout";
  const auto layout = TRY(image::Layout::open(dir));
  auto exported = TRY(export_images(request, *layout, packing));
  auto files = TRY(image::directory_files(dir));
  return ScratchExport{.scratch = std::move(scratch), .dir = std::move(dir), .exported = std::move(exported), .files = std::move(files)};
}

}  // namespace acetate::build
