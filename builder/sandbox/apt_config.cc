#include "builder/sandbox/apt_config.h"

#include <fcntl.h>

#include <algorithm>
#include <string_view>

#include "base/sys/file.h"
#include "builder/sandbox/in_root.h"

namespace acetate::sandbox {

namespace {

constexpr std::string_view kParts = "/etc/apt/apt.conf.d";
// What is read last counts.
constexpr std::string_view kName = "zz-acetate-one-id";
constexpr std::string_view kText = "// There is one id in this container, and nobody else to become.\nAPT::Sandbox::User \"root\";\n";

}  // namespace

Result<std::optional<MountPoint>> make_apt_file(const Spec& spec, FdRef root, const std::string& dir) {
  using Answer = std::optional<MountPoint>;
  if (spec.ids != IdMode::single) return Answer();
  const auto parts = resolve_in_root(root, kParts);
  if (!parts || parts->missing != 0 || parts->path.str() != kParts.substr(1)) return Answer();
  if (const auto stat = stat_in_root(root, parts->path); !stat || !S_ISDIR(stat->st_mode)) return Answer();
  for (const MountPoint& mount : spec.mounts) {
    const RelPath target = TRY(RelPath::parse_clamped(mount.target));
    if (target.contains(parts->path) || target == parts->path || parts->path.contains(target)) return Answer();
  }
  const std::string path = fmt::format("{}/apt.conf", dir);
  const Fd file = TRY_WITHIN(sys::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644), "writing {}", path);
  TRY_WITHIN(sys::write_full(file.ref(), kText), "writing {}", path);
  TRY_WITHIN(sys::chmod(file.ref(), 0644), "writing {}", path);
  return Answer(MountPoint{.source = path, .target = fmt::format("{}/{}", kParts, kName), .writable = false});
}

}  // namespace acetate::sandbox
