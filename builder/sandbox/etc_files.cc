#include "builder/sandbox/etc_files.h"

#include <algorithm>

#include "base/sys/file.h"

namespace acetate::sandbox {

namespace {

// With the host's network its resolver is reachable as the host reaches it, 127.0.0.53 included.
Result<std::string> resolv_text(Network network) {
  if (network == Network::none) return std::string();
  auto text = sys::read_file("/etc/resolv.conf", 1 << 20);
  if (!text && text.error().is(ENOENT)) return std::string();
  return TRY_WITHIN(std::move(text), "reading /etc/resolv.conf");
}

}  // namespace

std::string hosts_text(const std::string& hostname) {
  return fmt::format("127.0.0.1\tlocalhost {}\n::1\tlocalhost ip6-localhost ip6-loopback\n", hostname);
}

Result<std::vector<MountPoint>> make_etc_files(const Spec& spec, const std::string& dir) {
  const std::pair<const char*, std::string> files[] = {
      {"resolv.conf", TRY(resolv_text(spec.network))},
      {"hosts", hosts_text(spec.hostname)},
      {"hostname", spec.hostname + "\n"},
  };
  std::vector<MountPoint> mounts;
  for (const auto& [name, text] : files) {
    const std::string target = fmt::format("/etc/{}", name);
    if (std::ranges::any_of(spec.mounts, [&](const MountPoint& mount) { return mount.target == target; })) continue;
    const std::string path = fmt::format("{}/{}", dir, name);
    const Fd file = TRY_WITHIN(sys::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644), "writing {}", path);
    TRY_WITHIN(sys::write_full(file.ref(), text), "writing {}", path);
    TRY_WITHIN(sys::chmod(file.ref(), 0644), "writing {}", path);
    mounts.push_back({.source = path, .target = target, .writable = false});
  }
  return mounts;
}

}  // namespace acetate::sandbox
