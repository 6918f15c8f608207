// The device nodes below a directory, such as /dev/dri or /dev itself.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace acetate::sandbox {

// Their paths from `directory` on, sorted. A symlink is none, since /dev/stdin leads to whatever we were given; what may not be
// read is left out, and so are the entries of `directory` itself that `skipped` names. Errors of opening `directory` are in words.
Result<std::vector<std::string>> list_devices(const std::string& directory, std::span<const std::string_view> skipped = {});

}  // namespace acetate::sandbox
