// Named volumes: directories of ours that outlive the containers which see them.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::cli {

struct NamedVolume {
  std::string dir;      // VOLUMES/NAME
  std::string target;   // absolute, in the container
  bool copies = true;   // it begins with what the image has at its target (docker's volume-nocopy says no)
  bool operator==(const NamedVolume&) const = default;
};

// "[a-zA-Z0-9][a-zA-Z0-9_.-]*": podman's rule, which is also what makes one component of a path of it.
bool is_volume_name(std::string_view name);

// Makes its directory, in one that is closed to everybody else: what runs in a container leaves setuid files in it. A directory of volumes
// that is open is closed.
Result<void> make_volume(const NamedVolume& volume);

// Gives an empty volume that nobody uses what `rootfs` (mounted, and nobody runs in it yet) has at its target, the directory's
// own mode included; `owners`: and the owners, where they can be had. All at once: interrupted, or with the disk full, it is
// empty as before. Of several containers that begin with it one fills it. Nothing is given where the root has no directory
// there; where the volume is a mount of somebody's, or may not be written, that is told and it stays as it is.
//
// Keep the descriptor for as long as the volume is used: it holds the lock that says so. Errors are in words.
Result<Fd> enter_volume(const NamedVolume& volume, const std::string& rootfs, bool owners);

}  // namespace acetate::cli
