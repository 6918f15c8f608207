// /etc/resolv.conf, hosts and hostname of a container: files of ours, bound over the image's.
#pragma once

#include <string>
#include <vector>

#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

// Pure. The same for every machine, so that a build step which reads it does not depend on where it ran.
// `more` are further lines: "10.0.0.1\tname".
std::string hosts_text(const std::string& hostname, const std::vector<std::string>& more = {});

// Pure. Of a container that is in our network and goes by our names: what ours says, after `more`, which go before; and a line for what it does not name of
// localhost and the container itself.
std::string hosts_text_like(const std::string& ours, const std::string& hostname, const std::vector<std::string>& more);

// What of our resolv.conf holds in a network: our loopback is not the container's, so nameservers there are replaced by
// the one that the network's helper plays. What the person wishes stands in the place of its kind.
std::string resolv_text(Network network, const std::string& ours, const Resolver& wished);

// Writes the files into `dir` and returns the mounts for them, but for targets the caller mounts over himself.
Result<std::vector<MountPoint>> make_etc_files(const Spec& spec, const std::string& dir);

}  // namespace acetate::sandbox
