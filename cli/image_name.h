// The image a person names on a command line: a path or transport as open_image() reads it, or the name of an
// image in our own store.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/paths.h"
#include "layers/image/image.h"

namespace acetate::cli {

// What begins with '/', './', '../' or a transport: a path, and never a name that a registry could know.
bool is_surely_a_path(const std::string& name);

// Any other text is first looked for among the
// images of the store (paths.images()), then as a path. `platform`: as --platform takes it; "" means this
// machine's. ENOENT with words when it is not here. Its layers stay where they are as long as one has its hold.
Result<image::Image> find_image(const Paths& paths, const std::string& name, const std::string& platform);

}  // namespace acetate::cli
