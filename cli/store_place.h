// Where our images are, and those that others share with us.
#pragma once

#include "base/result.h"
#include "cli/paths.h"
#include "layers/image/image_store.h"

namespace acetate::cli {

// paths.images(), and the stores that ACETATE_SHARED_IMAGES names, separated by colons. EINVAL with words when one of
// those is no absolute path. A short name stands there for what registries.conf makes of it, as in a registry: that file is read when
// one is looked up.
Result<image::StorePlace> store_place(const Paths& paths);

}  // namespace acetate::cli
