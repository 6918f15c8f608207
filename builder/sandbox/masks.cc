#include "builder/sandbox/masks.h"

#include <fnmatch.h>

#include <algorithm>
#include <iterator>

namespace acetate::sandbox {

namespace {

const std::vector<std::string> kMasked{"/proc/acpi",        "/proc/asound",      "/proc/interrupts",
                                       "/proc/kcore",       "/proc/keys",        "/proc/latency_stats",
                                       "/proc/sched_debug", "/proc/scsi",        "/proc/timer_list",
                                       "/proc/timer_stats", "/sys/firmware",     "/sys/devices/virtual/powercap",
                                       "/sys/fs/selinux",
                                       "/sys/fs/fuse/connections"};  // where whoever owns a mount of FUSE may end it
// With the host's /proc (--pid host) something may be mounted below /proc/sys, which a runtime's own read-only bind does not reach.
const std::vector<std::string> kReadOnly{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sys/fs/binfmt_misc", "/proc/sysrq-trigger"};

std::vector<std::string> those_still_masked(const std::vector<std::string>& paths, const Confinement& confinement) {
  std::vector<std::string> left;
  std::ranges::copy_if(paths, std::back_inserter(left), [&](const auto& path) { return is_masked(confinement, path); });
  return left;
}

}  // namespace

bool is_masked(const Confinement& confinement, const std::string& path) {
  const auto names = [&](const std::string& pattern) { return ::fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME) == 0; };
  return confinement.default_masks && std::ranges::none_of(confinement.unmasked, names);
}

std::vector<std::string> masked_paths(const Confinement& confinement, const Surroundings& surroundings) {
  std::vector<std::string> paths = those_still_masked(kMasked, confinement);
  std::ranges::move(those_still_masked(surroundings.throttles, confinement), std::back_inserter(paths));
  paths.insert(paths.end(), confinement.masked.begin(), confinement.masked.end());
  return paths;
}

std::vector<std::string> read_only_paths(const Confinement& confinement) {
  return those_still_masked(kReadOnly, confinement);
}

}  // namespace acetate::sandbox
