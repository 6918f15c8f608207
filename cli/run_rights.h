// Capabilities, --security-opt, --ulimit, devices' rules and the limits a cgroup keeps.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "builder/sandbox/spec.h"
#include "cli/run_options.h"

namespace acetate::cli {

// Puts all of them into `spec`. EINVAL with words.
Result<void> describe_rights(const RunOptions& options, sandbox::Spec& spec);

// "chown" and "CAP_CHOWN" are the same, "ALL" is every one. EINVAL with words for names that are none.
Result<std::vector<std::string>> change_capabilities(std::vector<std::string> list, const std::vector<std::string>& add,
                                                     const std::vector<std::string>& drop);

// Whether our own hard limits are for us to raise: with CAP_SYS_RESOURCE, outside of any user namespace.
bool may_raise_limits();

// "nofile=1024:2048", "core=-1" (no limit). What is above our own hard limit is brought down to it where it may not be raised, and
// else to the most that the kernel gives; the log says so.
Result<sandbox::Limit> parse_ulimit(const std::string& text, bool may_raise = may_raise_limits());

// "SIGTERM", "TERM", "15".
Result<int> parse_signal(const std::string& text);

}  // namespace acetate::cli
