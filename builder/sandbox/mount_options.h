// Mount options by their names in fstab(5) and the runtime-spec, as mount(2) takes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace acetate::sandbox {

struct MountOptions {
  unsigned long flags = 0;        // MS_NOSUID, MS_RDONLY … , without MS_BIND and MS_REC
  bool bind = false, recursive = false;
  bool copies_up = false;         // "tmpcopyup": a tmpfs begins with what lies at its place
  bool read_only_below = false;   // "rro": read-only for every mount below too
  unsigned long propagation = 0;  // MS_PRIVATE, MS_SLAVE … with MS_REC
  std::string data;               // what the file system itself is told: "mode=755,size=4k"
};
MountOptions parse_mount_options(const std::vector<std::string>& options);

}  // namespace acetate::sandbox
