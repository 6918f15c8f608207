// The bytes that a LayerSpec names, handed on in order.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "base/result.h"
#include "layers/layer_spec.h"

namespace acetate::image {

// EIO with words when there are fewer than it says; what `out` fails with, as it is.
Result<void> read_bytes(const LayerSpec& spec, const std::function<Result<void>(std::span<const std::byte>)>& out);

}  // namespace acetate::image
