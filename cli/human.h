// Sizes and times as docker and podman print them.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

#include "base/result.h"

namespace acetate::cli {

// Three digits and a decimal unit: "0B", "999B", "5.83MB", "1.2GB".
std::string human_size(std::uint64_t bytes);
// "10GB", "512m", "1.5GiB", "4096": letters in either case, K M G T are 1000s and Ki Mi Gi Ti 1024s, as docker reads
// "until" sizes. EINVAL with words.
Result<std::uint64_t> parse_size(std::string_view text);

// "64m", "1.5g", "4096", "2GiB", "10kb": bytes, in powers of 1024, as docker reads what a container may have. EINVAL with
// words that name `option`.
Result<std::uint64_t> parse_memory(std::string_view text, std::string_view option);

// "About a minute", "3 hours", "2 weeks".
std::string human_duration(std::time_t seconds);
// "90s", "36h", "1h30m", "7d", "2w": EINVAL with words.
Result<std::time_t> parse_duration(std::string_view text);

}  // namespace acetate::cli
