#include "builder/sandbox/userns_refusal.h"

#include <cerrno>

#include "base/sys/file.h"

namespace acetate::sandbox {

std::optional<std::string> read_sysctl(const std::string& name) {
  auto text = sys::read_file("/proc/sys/" + name, 4096);
  if (!text) return std::nullopt;
  while (text->ends_with('\n')) text->pop_back();
  return *std::move(text);
}

Error explain_userns_refusal(int code, const ReadSysctl& sysctl) {
  constexpr const char* kWhat = "this needs a user namespace, and the system refuses one";
  if (sysctl("user/max_user_namespaces") == "0")
    return fail(code, "{}: user.max_user_namespaces is 0 (as root: sysctl -w user.max_user_namespaces=15000)", kWhat);
  if (sysctl("kernel/unprivileged_userns_clone") == "0")
    return fail(code, "{}: kernel.unprivileged_userns_clone is 0 (as root: sysctl -w kernel.unprivileged_userns_clone=1)",
                kWhat);
  if (sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1")
    return fail(code,
                "{}: AppArmor restricts it (as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, "
                "or an AppArmor profile with \"userns,\" for this program)",
                kWhat);
  switch (code) {
    case ENOSPC:
    case EUSERS:
      return fail(code, "{}: there are too many, or they are nested too deep (see sysctl user.max_user_namespaces)", kWhat);
    case EINVAL:
      return fail(code, "{}: the kernel was built without them (CONFIG_USER_NS)", kWhat);
    case EPERM:
    case EACCES:
      return fail(code,
                  "{}: {}. Inside a container its seccomp filter is the reason (docker run --security-opt seccomp=unconfined; in Kubernetes "
                  "securityContext.seccompProfile.type: Unconfined); inside a chroot it is never given",
                  kWhat, Error(code).message());
    default:
      return fail(code, "{}: {}", kWhat, Error(code).message());
  }
}

}  // namespace acetate::sandbox
