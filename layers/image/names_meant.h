// Which images of the store a text may name.
#pragma once

#include <string_view>
#include <vector>

#include "layers/image/image_store.h"

namespace acetate::image {

// Every name that a text may stand for, best first: itself where it has a registry in it; else what `place` says of short names, and
// without that what docker reads in it and the same below localhost/. Errors as parse_reference() and StorePlace::short_names have them.
Result<std::vector<Reference>> names_meant(std::string_view text, const StorePlace& place);

}  // namespace acetate::image
