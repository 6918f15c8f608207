// What a cgroup is to hold a container to: --memory, --cpus and their relatives.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "base/result.h"
#include "builder/sandbox/spec.h"
#include "cli/run_options.h"

namespace acetate::cli {

// Puts all of them into `spec`. EINVAL with words.
Result<void> describe_limits(const RunOptions& options, sandbox::Spec& spec);

// "0-3,8": processors, or memory nodes. EINVAL with words that name `option`.
Result<std::string> parse_set(const std::string& text, const char* option);

// "/dev/sda:1mb", the disk by its numbers. `find`: the numbers of a path.
using DiskNumbers = std::function<Result<std::pair<unsigned, unsigned>>(const std::string& path)>;
Result<sandbox::Resources::Disk> parse_disk(const std::string& text, sandbox::Resources::Disk::Kind kind, const char* option, const DiskNumbers& find);

}  // namespace acetate::cli
