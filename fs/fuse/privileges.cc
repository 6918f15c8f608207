#include "fs/fuse/privileges.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <sstream>
#include <string_view>

#include "base/log.h"
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

// The sets of the calling thread: glibc has no call for them.
class Capabilities {
 public:
  Capabilities() noexcept : known_(::syscall(SYS_capget, &head_, sets_) == 0) {}
  // CAP_FSETID as far as it is permitted; false where nothing could be changed.
  bool use_fsetid(bool wanted) noexcept {
    if (!known_) return false;
    if (((sets_[0].effective & kFsetid) != 0) == wanted) return true;
    if (wanted && (sets_[0].permitted & kFsetid) == 0) return true;
    sets_[0].effective ^= kFsetid;
    if (::syscall(SYS_capset, &head_, sets_) == 0) return true;
    sets_[0].effective ^= kFsetid;  // as it still is: the next to ask tries again
    return false;
  }

 private:
  static constexpr std::uint32_t kFsetid = 1U << CAP_FSETID;
  static_assert(CAP_FSETID < 32);
  __user_cap_header_struct head_{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets_[_LINUX_CAPABILITY_U32S_3]{};
  bool known_;
};

Capabilities& of_this_thread() noexcept {
  thread_local Capabilities capabilities;
  return capabilities;
}

}  // namespace

WithoutFsetid::WithoutFsetid() noexcept : without_(of_this_thread().use_fsetid(false)) {}

WithoutFsetid::~WithoutFsetid() {
  if (!of_this_thread().use_fsetid(true)) log::error("a thread has lost CAP_FSETID, and takes sgid away with chmod(2)");
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
