#include "fs/fuse/privileges.h"


#include <cstdint>
#include <sstream>
#include <string_view>

#include "base/sys/file.h"

namespace acetate::fs {

namespace {

// USER_NS_INIT_INO: fixed by the kernel since Linux 3.8 (linux/nsfs.h).
constexpr std::string_view kFirstNamespace = "user:[4026531837]";

bool told_by(const std::string& proc, int capability) {
  const auto status = sys::read_file(proc + "/status", 1U << 16);
  const auto link = sys::readlink(FileAt{kWorkingDir, (proc + "/ns/user").c_str()});
  return status && link && tells(*status, *link, capability);
}

}  // namespace

bool has(pid_t thread, int capability) { return thread > 0 && told_by("/proc/" + std::to_string(thread), capability); }

bool have(int capability) { return told_by("/proc/self", capability); }

bool tells(const std::string& status, const std::string& namespace_link, int capability) {
  if (namespace_link != kFirstNamespace) return false;
  constexpr std::string_view kLabel = "\nCapEff:";
  const std::size_t at = status.find(kLabel);
  if (at == std::string::npos) return false;
  std::istringstream line(status.substr(at + kLabel.size()));
  std::uint64_t effective = 0;
  return (line >> std::hex >> effective) && ((effective >> capability) & 1) != 0;
}

}  // namespace acetate::fs
