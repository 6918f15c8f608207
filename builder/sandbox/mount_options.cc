#include "builder/sandbox/mount_options.h"

#include <sys/mount.h>

namespace acetate::sandbox {

namespace {

struct Flag {
  const char* name;
  unsigned long set, clear;
};
constexpr Flag kFlags[] = {
    {"ro", MS_RDONLY, 0},          {"rw", 0, MS_RDONLY},         {"nosuid", MS_NOSUID, 0},
    {"suid", 0, MS_NOSUID},        {"nodev", MS_NODEV, 0},       {"dev", 0, MS_NODEV},
    {"noexec", MS_NOEXEC, 0},      {"exec", 0, MS_NOEXEC},       {"noatime", MS_NOATIME, 0},
    {"relatime", MS_RELATIME, 0},  {"strictatime", MS_STRICTATIME, 0},
};
constexpr Flag kPropagation[] = {
    {"private", MS_PRIVATE, 0}, {"rprivate", MS_PRIVATE | MS_REC, 0}, {"slave", MS_SLAVE, 0},
    {"rslave", MS_SLAVE | MS_REC, 0}, {"shared", MS_SHARED, 0}, {"rshared", MS_SHARED | MS_REC, 0},
};

bool take(MountOptions& into, const std::string& option) {
  for (const Flag& flag : kFlags)
    if (option == flag.name) return into.flags = (into.flags & ~flag.clear) | flag.set, true;
  for (const Flag& kind : kPropagation)
    if (option == kind.name) return into.propagation = kind.set, true;
  if (option == "bind" || option == "rbind") return into.bind = true, into.recursive = option == "rbind", true;
  if (option == "tmpcopyup") return into.copies_up = true, true;
  if (option == "rro") return into.flags |= MS_RDONLY, into.read_only_below = true, true;
  return false;
}

}  // namespace

MountOptions parse_mount_options(const std::vector<std::string>& options) {
  MountOptions parsed;
  for (const std::string& option : options)
    if (!take(parsed, option)) parsed.data += (parsed.data.empty() ? "" : ",") + option;
  return parsed;
}

}  // namespace acetate::sandbox
