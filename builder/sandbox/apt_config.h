// apt(8) in a container with one id. It fetches as a user of its own, and looks whether it has become that: nobody can, and no filter
// that lets setuid(2) succeed deceives it. "E: … Could not switch group" would be the end of most Dockerfiles.
#pragma once

#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

// A file of configuration, written into `dir`, that has it fetch as root: apt.conf(5), APT::Sandbox::User. Nothing where there are more
// ids, or the image has no apt, or something is mounted over its configuration.
Result<std::optional<MountPoint>> make_apt_file(const Spec& spec, FdRef root, const std::string& dir);

}  // namespace acetate::sandbox
