#include <algorithm>

#include "builder/sandbox/capability_number.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

const std::vector<std::string>& build_capabilities() {
  static const std::vector<std::string> list{
      "CAP_AUDIT_WRITE", "CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FOWNER",  "CAP_FSETID",
      "CAP_KILL",        "CAP_MKNOD",  "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP",
      "CAP_SETGID",      "CAP_SETPCAP", "CAP_SETUID",      "CAP_SYS_CHROOT",
  };
  return list;
}

const std::vector<std::string>& run_capabilities() {
  static const std::vector<std::string> list{
      "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FOWNER",  "CAP_FSETID", "CAP_KILL",       "CAP_NET_BIND_SERVICE",
      "CAP_SETFCAP", "CAP_SETGID",       "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
  };
  return list;
}

const std::vector<std::string>& all_capabilities() {
  static const std::vector<std::string> list = [] {
    const auto names = capability_names();
    std::vector<std::string> sorted(names.begin(), names.end());
    std::ranges::sort(sorted);
    return sorted;
  }();
  return list;
}

}  // namespace acetate::sandbox
