// A tarball that is open already, for whoever must not look at its name twice: it may stand for something else by then.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "layers/layer_spec.h"

namespace acetate {

// open_layer() of a regular file that is open for reading.
Result<OpenedLayer> open_layer_file(Fd file, const std::string& index_dir);

}  // namespace acetate
