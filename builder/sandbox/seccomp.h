// The system call filter of a container, as runtime-spec config-linux.md#seccomp has it.
//
// Everything is allowed but what reaches past the container: new mounts and namespaces, kernel modules, clocks,
// key rings, other processes' memory … the set that docker's default profile withholds, each unless the
// capability that makes it harmless to refuse was given. With a single id it also plays root: calls that
// change owners or make devices say they did.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

// Null when nothing is filtered. EINVAL with words when spec.confinement.profile is no profile.
Result<nlohmann::ordered_json> seccomp_filter(const Spec& spec);

}  // namespace acetate::sandbox
