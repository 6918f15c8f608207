// Platforms: spelled, and matched as registries' clients match them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "layers/image/image.h"

namespace acetate::image {

// "linux/arm64/v8", "linux/amd64", "arm64" (linux then), "windows(10.0.20348.1006)/amd64"; uname's names (x86_64, aarch64, armv7l) are
// understood. EINVAL with words.
Result<Platform> parse_platform(std::string_view text);
// What a person typed, or this machine's where he typed nothing.
Result<Platform> wanted_platform(std::string_view typed);
std::string format_platform(const Platform& platform);

// How well something made for `have` serves someone who wants `want`: 0 is exact, more is worse, nothing is
// not at all. Lesser variants serve greater ones (arm/v6 runs on arm/v7), never the other way round. Who wants a version of the
// system is served by it, and by another revision of the same build (10.0.20348) worse.
std::optional<int> platform_rank(const Platform& want, const Platform& have);

}  // namespace acetate::image
