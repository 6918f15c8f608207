// The files beside a layer, as files that are read: what describes it, and its blob, wherever of it that is.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "layers/layer.h"
#include "layers/layer_spec.h"

namespace acetate::fs {

Result<std::unique_ptr<FileView>> text_view(std::string text);
// The bytes the spec names, packed as they are. Of a blob that is not all here what is missing is asked of the fetcher;
// they are not verified: whoever wants the blob has its digest.
Result<std::unique_ptr<FileView>> blob_view(const LayerSpec& spec);

}  // namespace acetate::fs
