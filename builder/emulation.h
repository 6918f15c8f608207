// Programs of other machines: what makes them run here.
#pragma once

#include <string>

#include "layers/image/image.h"

namespace acetate::build {

// Why a command of such an image may have failed here, and the way out; "" when the machine is no reason. Not asked before it is tried:
// what an image says of itself is often wrong.
std::string emulation_hint(const image::Platform& of_image, const image::Platform& here = image::host_platform(),
                           const std::string& handlers = "/proc/sys/fs/binfmt_misc");

}  // namespace acetate::build
