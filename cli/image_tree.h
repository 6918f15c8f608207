// An image's files, read where they lie: for commands that look into an image without mounting it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/paths.h"
#include "layers/image/image.h"
#include "layers/layer_spec.h"
#include "layers/open_stack.h"

namespace acetate::cli {

struct ImageTree {
  image::Image image;
  std::vector<OpenedLayer> layers;  // top first
  OpenedStack stack;
};

// As find_image() finds it. A layer that is damaged is told by its digest.
Result<ImageTree> open_image_tree(const Paths& paths, const std::string& name, const std::string& platform);

struct Place {
  std::string path;  // without symlinks, "" the root
  HeldNode node;
  Attr attr;
};
// What a path of the image leads to, symlinks followed within it; the last one too, unless `keep_last`. ENOENT
// and the rest in words that name the path.
Result<Place> find_in(const Layer& tree, const std::string& path, bool keep_last = false);

}  // namespace acetate::cli
