// --network, -p, --add-host and --dns.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "builder/sandbox/spec.h"
#include "cli/run_options.h"

namespace acetate::cli {

// Puts them into `spec`. A published port with no network named means one that can publish: pasta where it is
// installed, else slirp4netns. EINVAL with words.
Result<void> describe_network(const RunOptions& options, sandbox::Spec& spec);

// "80", "8080:80", "127.0.0.1:8080:80/udp", "[::1]:8080:80", and "8000-8010" in the place of a port. Without a port of ours, the same number.
Result<std::vector<sandbox::Port>> parse_ports(const std::string& text);

}  // namespace acetate::cli
