#include "fs/fuse/privileges.h"

#include <sys/syscall.h>
#include <unistd.h>

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

// The effective set of the calling thread, taken or put: glibc has no call for it.
struct Capabilities {
  __user_cap_header_struct head{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};

  bool take() noexcept { return ::syscall(SYS_capget, &head, sets) == 0; }
  bool put() noexcept { return ::syscall(SYS_capset, &head, sets) == 0; }
};
constexpr std::uint32_t kFsetid = 1U << CAP_FSETID;
static_assert(CAP_FSETID < 32);

}  // namespace

WithoutFsetid::WithoutFsetid() noexcept {
  Capabilities mine;
  if (!mine.take()) return;
  restore_ = (mine.sets[0].effective & kFsetid) != 0;
  mine.sets[0].effective &= ~kFsetid;
  without_ = !restore_ || mine.put();
  restore_ = restore_ && without_;
}

WithoutFsetid::~WithoutFsetid() {
  Capabilities mine;
  if (!restore_ || !mine.take()) return;
  mine.sets[0].effective |= kFsetid;
  (void)mine.put();
}

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
