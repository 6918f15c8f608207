// sysctl(8) of the namespaces that are a container's own: its network's, and its System V objects' and POSIX queues'. Every other is the whole machine's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/sys/userns.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

enum class SysctlKind { network, ipc };
// By its name with dots; nothing for one that is the machine's, or none at all. Pure.
std::optional<SysctlKind> kind_of(std::string_view sysctl);

// Where it is: "/proc/sys/net/ipv4/…". No name leads out of there. Pure.
std::string sysctl_path(std::string_view sysctl);

// What a network of the container's own has unless it is wished otherwise, as docker has it: anybody may ping, and serve at any port. Both are what the
// capabilities of a container's root allow already. `groups`: the group ids of whoever sets it, and what they are outside. Pure.
std::vector<Sysctl> network_defaults(const std::vector<sys::IdRange>& groups);
// The same without those that cannot be set here: the kernel has them not, or /proc/sys is read-only, as in a container around us.
std::vector<Sysctl> settable(std::vector<Sysctl> sysctls);

// The group ids of a user namespace below ours, and what they are outside of ours. Pure.
std::vector<sys::IdRange> seen_from_outside(const std::vector<sys::IdRange>& child, const std::vector<sys::IdRange>& ours);

// A sysctl that names ids of the container's, in ours, for whoever sets it from here. Pure.
Sysctl in_our_ids(Sysctl sysctl, const std::vector<sys::IdRange>& child_groups);

// Sets it, in the namespaces that the calling process is in.
Result<void> set_sysctl(const Sysctl& sysctl);

}  // namespace acetate::sandbox
