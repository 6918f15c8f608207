// /etc/resolv.conf, hosts and hostname of a container: files of ours, bound over the image's.
#pragma once

#include <string>
#include <vector>

#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

// Pure. The same for every machine, so that a build step which reads it does not depend on where it ran.
std::string hosts_text(const std::string& hostname);

// Writes the files into `dir` and returns the mounts for them, but for targets the caller mounts over himself.
Result<std::vector<MountPoint>> make_etc_files(const Spec& spec, const std::string& dir);

}  // namespace acetate::sandbox
