// --output type=registry: the image into a registry, by way of nothing of our own that stays.
#pragma once

#include "base/result.h"
#include "builder/export.h"

namespace acetate::build {

// Under every one of the request's tags: each goes to the registry it names. EINVAL with words when there is none. Of several names the
// first ones are there already when a later one fails.
Result<ExportedImage> export_to_registry(const ExportRequest& request, const Packing& packing);

}  // namespace acetate::build
