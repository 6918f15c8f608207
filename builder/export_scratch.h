// Images as a layout that is gone with the object: on the way into an archive, or to a registry.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "builder/export.h"
#include "builder/sandbox/scratch.h"
#include "layers/image/image_files.h"

namespace acetate::build {

struct ScratchExport {
  sandbox::Scratch scratch;
  std::string dir;  // of the layout
  ExportedImage exported;
  std::unique_ptr<image::ImageFiles> files;  // of the layout
};
// Below the request's scratch_base. Errors as export_images().
Result<ScratchExport> export_to_scratch(const ExportRequest& request, const Packing& packing);

}  // namespace acetate::build
