#include "builder/sandbox/sysctls.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cstdint>
#include <sstream>

#include "base/sys/file.h"
#include "builder/sandbox/id_maps.h"

namespace acetate::sandbox {

namespace {

constexpr const char* kPingGroups = "net.ipv4.ping_group_range";
// The largest that the kernel takes for it.
constexpr std::uint32_t kLastGroup = 2147483647;

const sys::IdRange* line_of(const std::vector<sys::IdRange>& map, std::uint32_t id) {
  const auto found = std::ranges::find_if(map, [&](const sys::IdRange& line) { return id >= line.inside && id - line.inside < line.count; });
  return found == map.end() ? nullptr : &*found;
}

// The kernel compares them as they are outside, so the first is the one that is least there, and not the least of ours (keep-id).
std::string ping_groups(const std::vector<sys::IdRange>& groups) {
  if (groups.empty()) return fmt::format("0 {}", kLastGroup);
  const auto first = std::ranges::min_element(groups, {}, &sys::IdRange::outside);
  const auto last = std::ranges::max_element(groups, {}, &sys::IdRange::outside);
  const std::uint32_t low = first->inside, high = std::min(last->inside + (last->count - 1), kLastGroup);
  if (low <= high) return fmt::format("{} {}", low, high);
  // No two numbers in this order have all of them between them: as many as can be had.
  const auto most = std::ranges::max_element(groups, {}, &sys::IdRange::count);
  return fmt::format("{} {}", most->inside, most->inside + (most->count - 1));
}

}  // namespace

std::optional<SysctlKind> kind_of(std::string_view sysctl) {
  static constexpr std::string_view kIpc[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};
  if (sysctl.starts_with("net.")) return SysctlKind::network;
  if (sysctl.starts_with("fs.mqueue.") || std::ranges::find(kIpc, sysctl) != std::end(kIpc)) return SysctlKind::ipc;
  return std::nullopt;
}

std::string sysctl_path(std::string_view sysctl) {
  std::string path(sysctl);
  std::ranges::replace(path, '.', '/');
  return "/proc/sys/" + path;
}

std::vector<Sysctl> network_defaults(const std::vector<sys::IdRange>& groups) {
  return {{"net.ipv4.ip_unprivileged_port_start", "0"}, {kPingGroups, ping_groups(groups)}};
}

std::vector<Sysctl> settable(std::vector<Sysctl> sysctls) {
  std::erase_if(sysctls, [](const Sysctl& sysctl) {
    const auto there = sys::open(sysctl_path(sysctl.first), O_PATH);
    const auto mount = there ? sys::statfs(there->ref()) : Result<struct statfs>(there.error().clone());
    return !mount || (static_cast<unsigned long>(mount->f_flags) & ST_RDONLY) != 0;
  });
  return sysctls;
}

std::vector<sys::IdRange> seen_from_outside(const std::vector<sys::IdRange>& child, const std::vector<sys::IdRange>& ours) {
  std::vector<sys::IdRange> map = within_lines(child, ours);
  for (sys::IdRange& range : map)
    if (const sys::IdRange* line = line_of(ours, range.outside)) range.outside = line->outside + (range.outside - line->inside);
  return map;
}

Sysctl in_our_ids(Sysctl sysctl, const std::vector<sys::IdRange>& child_groups) {
  if (sysctl.first != kPingGroups || child_groups.empty()) return sysctl;
  std::istringstream words(sysctl.second);
  std::uint32_t low = 0, high = 0;
  if (!(words >> low >> high)) return sysctl;  // the kernel says what it thinks of it
  const sys::IdRange *first = line_of(child_groups, low), *last = line_of(child_groups, high);
  if (first == nullptr || last == nullptr) return sysctl;
  sysctl.second = fmt::format("{} {}", first->outside + (low - first->inside), last->outside + (high - last->inside));
  return sysctl;
}

Result<void> set_sysctl(const Sysctl& sysctl) {
  const Fd file = TRY(sys::open(sysctl_path(sysctl.first), O_WRONLY));
  return sys::write_full(file.ref(), sysctl.second);
}

}  // namespace acetate::sandbox
