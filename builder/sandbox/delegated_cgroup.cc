#include "builder/sandbox/delegated_cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <span>
#include <sstream>

#include "base/log.h"
#include "base/sys/file.h"

namespace acetate::sandbox {

namespace {

constexpr std::size_t kMostText = 1 << 16;
constexpr const char* kNote = "cgroup";
constexpr const char* kGiven = "cgroup.subtree_control";
constexpr const char* kWayOut = "systemd-run --user --scope -p Delegate=yes acetate … gives one";

// The unified hierarchy: alone, or beside those of version 1.
Result<std::string> unified() {
  for (const char* place : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    const auto dir = sys::open(place, O_PATH | O_DIRECTORY);
    if (dir && static_cast<unsigned long>(TRY(sys::statfs(dir->ref())).f_type) == CGROUP2_SUPER_MAGIC) return std::string(place);
  }
  return fail(ENOTSUP, "there are no cgroups of version 2 here");
}

// "0::/user.slice/…" of cgroups(7)
Result<std::string> our_path() {
  std::istringstream lines(TRY(sys::read_file("/proc/self/cgroup", kMostText)));
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("0::/")) return line.substr(3);
  return fail(ENOTSUP, "we are in no cgroup of version 2");
}

Result<void> write(FdRef dir, const std::string& file, std::string_view text) {
  const Fd fd = TRY(sys::open({dir, file.c_str()}, O_WRONLY));
  return sys::write_full(fd.ref(), text);
}

Result<std::string> read(FdRef dir, const std::string& file) {
  const Fd fd = TRY(sys::open({dir, file.c_str()}, O_RDONLY));
  return sys::read_all(fd.ref(), kMostText);
}

std::set<std::string> words(const std::string& text) {
  std::istringstream words(text);
  return {std::istream_iterator<std::string>(words), std::istream_iterator<std::string>()};
}

// As runc and crun have them, from version 1's scale to version 2's.
std::uint64_t cpu_weight(std::uint64_t shares) { return 1 + (std::clamp<std::uint64_t>(shares, 2, 262144) - 2) * 9999 / 262142; }
std::uint64_t io_weight(std::uint64_t weight) { return 1 + (std::clamp<std::uint64_t>(weight, 10, 1000) - 10) * 9999 / 990; }

CgroupLimit disk_limit(const Resources::Disk& disk) {
  using Kind = Resources::Disk::Kind;
  if (disk.kind == Kind::weight) return {"io", "io.weight", fmt::format("{}:{} {}", disk.major, disk.minor, io_weight(disk.value)), true};
  const char* key = disk.kind == Kind::read_bytes ? "rbps" : disk.kind == Kind::write_bytes ? "wbps" : disk.kind == Kind::read_calls ? "riops" : "wiops";
  return {"io", "io.max", fmt::format("{}:{} {}={}", disk.major, disk.minor, key, disk.value)};
}

}  // namespace

std::vector<CgroupLimit> cgroup_limits(const Resources& resources) {
  std::vector<CgroupLimit> limits;
  if (resources.memory) {
    limits.push_back({"memory", "memory.max", std::to_string(*resources.memory)});
    // As with real root's: the limit is of both together, unless another is said. A kernel that counts no swap has nothing to limit.
    const std::uint64_t both = resources.memory_and_swap.value_or(*resources.memory);
    const std::string swap = both == Resources::kNoLimit ? "max" : std::to_string(both - std::min(both, *resources.memory));
    limits.push_back({"memory", "memory.swap.max", swap, true});
  }
  if (resources.memory_reservation) limits.push_back({"memory", "memory.low", std::to_string(*resources.memory_reservation)});
  if (resources.cpus) limits.push_back({"cpu", "cpu.max", fmt::format("{} {}", resources.cpu_quota(), resources.cpu_period)});
  if (resources.cpu_shares) limits.push_back({"cpu", "cpu.weight", std::to_string(cpu_weight(*resources.cpu_shares))});
  if (!resources.cpuset_cpus.empty()) limits.push_back({"cpuset", "cpuset.cpus", resources.cpuset_cpus});
  if (!resources.cpuset_mems.empty()) limits.push_back({"cpuset", "cpuset.mems", resources.cpuset_mems});
  if (resources.pids) limits.push_back({"pids", "pids.max", *resources.pids <= 0 ? "max" : std::to_string(*resources.pids)});
  // One of two files, by what schedules the disks; or none.
  if (resources.blkio_weight) {
    limits.push_back({"io", "io.weight", fmt::format("default {}", io_weight(*resources.blkio_weight)), true});
    limits.push_back({"io", "io.bfq.weight", std::to_string(*resources.blkio_weight), true});
  }
  for (const Resources::Disk& disk : resources.disks) limits.push_back(disk_limit(disk));
  for (const auto& [file, value] : resources.files) limits.push_back({file.substr(0, file.find('.')), file, value});
  return limits;
}

Result<DelegatedCgroup> DelegatedCgroup::make(const std::vector<CgroupLimit>& limits, const std::optional<std::string>& notes) {
  const std::string path = TRY(unified()) + TRY(our_path());
  Fd ours = TRY_WITHIN(sys::open(path, O_RDONLY | O_DIRECTORY), "opening our cgroup {}", path);
  const auto offered = words(TRY(read(ours.ref(), "cgroup.controllers")));
  for (const CgroupLimit& limit : limits)
    if (!offered.contains(limit.controller)) return fail(ENOTSUP, "our cgroup {} has no controller of {}; {}", path, limit.controller, kWayOut);
  auto given = words(TRY(read(ours.ref(), kGiven)));
  DelegatedCgroup made(path, std::move(ours), std::to_string(::getpid()), std::move(given));
  if (notes) TRY(made.note_below(*notes));
  auto divided = made.divide(limits);
  if (divided) return made;
  if (divided.error().is(EACCES) || divided.error().is(EPERM)) return fail(ENOTSUP, "our cgroup {} is not ours to divide; {}", path, kWayOut);
  if (divided.error().is(EBUSY)) return fail(ENOTSUP, "others are in our cgroup {}, too; {}", path, kWayOut);
  return std::move(divided).error().within("dividing our cgroup " + path);
}

Result<void> DelegatedCgroup::divide(const std::vector<CgroupLimit>& limits) {
  const auto make_group = [&](const std::string& name) { return sys::mkdir({ours_.ref(), name.c_str()}, 0755); };
  TRY(make_group(own()));
  TRY(write(ours_.ref(), own() + "/cgroup.procs", "0"));
  TRY(enable(limits));
  TRY(make_group(container()));
  limited_ = TRY(sys::open({ours_.ref(), container().c_str()}, O_RDONLY | O_DIRECTORY));
  for (const CgroupLimit& limit : limits) {
    auto set = write(limited_.ref(), limit.file, limit.value);
    if (!set && limit.if_there && set.error().is(ENOENT)) {
      log::info("this kernel has no {} for a cgroup", limit.file);
      continue;
    }
    if (!set) return std::move(set).error().within(fmt::format("setting {} to {}", limit.file, limit.value));
  }
  return {};
}

Result<void> DelegatedCgroup::enable(const std::vector<CgroupLimit>& limits) {
  std::set<std::string> wanted;
  for (const CgroupLimit& limit : limits)
    if (!given_.contains(limit.controller)) wanted.insert(limit.controller);
  for (const std::string& controller : wanted) TRY(write(ours_.ref(), kGiven, "+" + controller));
  return {};
}

// The controllers are taken back first: who gives them has no processes. A runtime has given more than we asked for.
Result<void> DelegatedCgroup::put_back(Us us) {
  const auto remove_group = [&](const std::string& name) {
    const auto removed = sys::rmdir({ours_.ref(), name.c_str()});
    return removed || removed.error().is(ENOENT) ? Result<void>() : Result<void>(removed.error().clone());
  };
  TRY(remove_group(container()));
  for (const std::string& controller : words(TRY(read(ours_.ref(), kGiven))))
    if (!given_.contains(controller)) TRY(write(ours_.ref(), kGiven, "-" + controller));
  if (us == Us::are_in_it) TRY(write(ours_.ref(), "cgroup.procs", "0"));
  return remove_group(own());
}

// Lines: its path, the name of ours, and each controller that it gave before.
Result<void> DelegatedCgroup::note_below(const std::string& notes) {
  note_ = TRY(Scratch::make(notes));
  const std::string file = *note_ / kNote;
  std::string text = fmt::format("{}\n{}\n", path_, name_);
  for (const std::string& controller : given_) text += controller + "\n";
  const Fd fd = TRY_WITHIN(sys::open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600), "writing {}", file);
  return sys::write_full(fd.ref(), text);
}

Result<void> DelegatedCgroup::put_together(const std::string& note) {
  const auto text = sys::read_file(note, kMostText);
  if (!text) return text.error().is(ENOENT) ? Result<void>() : Result<void>(text.error().clone());
  std::istringstream lines(*text);
  std::string path, name;
  if (!std::getline(lines, path) || !std::getline(lines, name) || name.empty()) return {};  // killed while it was written
  std::set<std::string> given;
  for (std::string controller; std::getline(lines, controller);) given.insert(controller);
  auto ours = sys::open(path, O_RDONLY | O_DIRECTORY);
  if (!ours) return ours.error().is(ENOENT) ? Result<void>() : Result<void>(std::move(ours).error());
  DelegatedCgroup left(path, *std::move(ours), name, std::move(given));
  const auto is_there = [&](const std::string& group) { return sys::stat({left.ours_.ref(), group.c_str()}).has_value(); };
  auto done = is_there(left.own()) || is_there(left.container()) ? left.put_back(Us::are_gone) : Result<void>();
  left.ours_.reset();  // it is not ours to put back once more
  return done;
}

void remove_abandoned_cgroups(const std::string& notes) {
  Scratch::sweep(notes, [](const std::string& leftover) {
    log::warn("an earlier command was killed; the cgroup that it had divided is put together again");
    if (auto done = DelegatedCgroup::put_together(leftover + "/" + kNote); !done) log::warn("a cgroup stays divided: {}", done.error().message());
  });
}

DelegatedCgroup::~DelegatedCgroup() {
  if (!ours_) return;
  if (auto done = put_back(Us::are_in_it); !done) log::info("a cgroup stays: {}", done.error().message());
}

Result<std::string> path_in_hierarchy(FdRef cgroup) {
  const sys::ProcFdPath self(cgroup);
  const std::string path = TRY(sys::readlink(FileAt{kWorkingDir, self.c_str()}));
  constexpr std::string_view kRoot = "/sys/fs/cgroup";
  if (!path.starts_with(kRoot)) return fail(ENOTSUP, "{} is not below {}", path, kRoot);
  return path.substr(kRoot.size());
}

KillCount KillCount::above(FdRef cgroup) {
  auto events = sys::open({cgroup, "../memory.events"}, O_RDONLY);
  return events ? KillCount(*std::move(events)) : KillCount(Fd());
}

std::uint64_t KillCount::read() const {
  if (!events_) return 0;
  std::string text(kMostText, '\0');
  const auto got = sys::pread(events_.ref(), std::as_writable_bytes(std::span(text)), 0);
  std::istringstream lines(text.substr(0, got ? *got : 0));
  std::string name;
  for (std::uint64_t count = 0; lines >> name >> count;)
    if (name == "oom_kill") return count;
  return 0;
}

Result<void> enter_cgroup(FdRef cgroup) { return write(cgroup, "cgroup.procs", "0"); }

}  // namespace acetate::sandbox
