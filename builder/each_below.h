// Everything below a directory of a layer, however deep it goes: an image of somebody else's decides that, and the way down is not on our call stack.
#pragma once

#include <functional>
#include <string>

#include "layers/layer.h"

namespace acetate::build {

enum class Descent {
  on,    // and into it, if it is a directory
  past,  // not into it
  end,   // nothing more is told
};

// `each` is told of every entry once, with its path from `dir`, a directory before what is in it, whiteouts included. The entry is held while `each` runs (a whiteout has
// no node). `dir` must be held. Errors are those of the layer, and of `each`.
Result<void> each_below(const Layer& layer, Node dir, const std::function<Result<Descent>(const std::string& path, const Entry& entry)>& each);

}  // namespace acetate::build
