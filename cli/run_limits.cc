#include "cli/run_limits.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <tuple>

#include "base/log.h"
#include "base/sys/file.h"
#include "cli/human.h"
#include "cli/parse_number.h"

namespace acetate::cli {

namespace {

using Disk = sandbox::Resources::Disk;

// One that the kernel takes; 0 stands for none.
template <class T>
Result<std::optional<T>> parse_within(const std::string& text, const char* option, T least, T most) {
  if (text.empty()) return std::optional<T>();
  const T value = TRY(parse_number<T>(text, option));
  if (value == 0) return std::optional<T>();
  if (value < least || value > most) return fail(EINVAL, "{} {}: should be from {} to {}, or 0 for none", option, text, least, most);
  return std::optional<T>(value);
}

Result<std::pair<unsigned, unsigned>> numbers_of(const std::string& path) {
  const struct stat st = TRY_WITHIN(sys::stat_following(path), "{}", path);
  if (!S_ISBLK(st.st_mode)) return fail(ENOTBLK, "{} is no block device", path);
  return std::pair{major(st.st_rdev), minor(st.st_rdev)};
}

Result<void> describe_memory(const RunOptions& options, sandbox::Resources& into) {
  // To docker and podman 0 is no limit.
  const auto bytes = [](const std::string& text, const char* option) -> Result<std::optional<std::uint64_t>> {
    if (text.empty()) return std::optional<std::uint64_t>();
    const std::uint64_t value = TRY(parse_memory(text, option));
    return value != 0 ? std::optional(value) : std::nullopt;
  };
  into.memory = TRY(bytes(options.memory, "--memory"));
  into.memory_reservation = TRY(bytes(options.memory_reservation, "--memory-reservation"));
  if (into.memory && into.memory_reservation && *into.memory_reservation > *into.memory)
    return fail(EINVAL, "--memory-reservation {} is above the limit, --memory {}", options.memory_reservation, options.memory);
  into.memory_and_swap = options.memory_swap == "-1" ? std::optional(sandbox::Resources::kNoLimit) : TRY(bytes(options.memory_swap, "--memory-swap"));
  // Without a limit there is nothing to be lifted; scripts have it so.
  if (options.memory_swap == "-1" && !into.memory) into.memory_and_swap.reset();
  if (into.memory_and_swap && !into.memory) return fail(EINVAL, "--memory-swap {} goes with --memory: it is the limit of both together", options.memory_swap);
  if (into.memory_and_swap && *into.memory_and_swap < *into.memory)
    return fail(EINVAL, "--memory-swap {} is below --memory {}: it is the limit of both together", options.memory_swap, options.memory);
  if (options.memory_swappiness && *options.memory_swappiness != -1) into.swappiness = static_cast<unsigned>(*options.memory_swappiness);
  into.never_killed = options.oom_kill_disable;
  return {};
}

Result<void> describe_processors(const RunOptions& options, sandbox::Resources& into) {
  if (!options.cpus.empty()) {
    const auto cpus = TRY(parse_number<double>(options.cpus, "--cpus"));
    if (cpus != 0) into.cpus = cpus;
    // The kernel's least quota is a millisecond.
    if (into.cpus && !(cpus >= 0.01)) return fail(EINVAL, "--cpus {}: 0.01 of a processor is the least that can be had", options.cpus);
  }
  const auto period = TRY(parse_within<std::uint64_t>(options.cpu_period, "--cpu-period", 1000, 1000000));
  const auto quota = options.cpu_quota == "-1" ? std::nullopt : TRY(parse_within<std::uint64_t>(options.cpu_quota, "--cpu-quota", 1000, UINT64_MAX / 1000000));
  if (into.cpus && (period || quota)) return fail(EINVAL, "--cpus is --cpu-quota and --cpu-period at once: one or the others");
  if (quota) {
    into.cpu_period = period.value_or(sandbox::Resources::kCpuPeriod);
    into.cpus = static_cast<double>(*quota) / static_cast<double>(into.cpu_period);
  }
  into.cpu_shares = TRY(parse_within<std::uint64_t>(options.cpu_shares, "--cpu-shares", 2, 262144));
  into.cpuset_cpus = TRY(parse_set(options.cpuset_cpus, "--cpuset-cpus"));
  into.cpuset_mems = TRY(parse_set(options.cpuset_mems, "--cpuset-mems"));
  return {};
}

Result<void> describe_disks(const RunOptions& options, sandbox::Resources& into) {
  into.blkio_weight = TRY(parse_within<unsigned>(options.blkio_weight, "--blkio-weight", 10, 1000));
  const struct {
    const std::vector<std::string>& texts;
    Disk::Kind kind;
    const char* option;
  } each[] = {{options.blkio_weight_devices, Disk::Kind::weight, "--blkio-weight-device"},
              {options.device_read_bps, Disk::Kind::read_bytes, "--device-read-bps"},
              {options.device_write_bps, Disk::Kind::write_bytes, "--device-write-bps"},
              {options.device_read_iops, Disk::Kind::read_calls, "--device-read-iops"},
              {options.device_write_iops, Disk::Kind::write_calls, "--device-write-iops"}};
  for (const auto& [texts, kind, option] : each)
    for (const std::string& text : texts) into.disks.push_back(TRY(parse_disk(text, kind, option, numbers_of)));
  return {};
}

// A file of a cgroup, and not of another directory.
Result<std::pair<std::string, std::string>> parse_cgroup_file(const std::string& text) {
  const std::size_t equals = text.find('='), point = text.find('.');
  if (equals == std::string::npos || point == 0 || point > equals || text.find('/') < equals || text.starts_with("cgroup."))
    return fail(EINVAL, "--cgroup-conf {}: should be FILE=VALUE, such as memory.high=1073741824", text);
  return std::pair{text.substr(0, equals), text.substr(equals + 1)};
}

}  // namespace

Result<std::string> parse_set(const std::string& text, const char* option) {
  const auto wrong = [&] { return fail(EINVAL, "{} {}: should be numbers and ranges of them (0-3,8)", option, text); };
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view part = rest.substr(0, comma);
    if (comma + 1 == rest.size()) return wrong();
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const std::size_t dash = std::min(part.find('-'), part.size());
    const auto first = parse_number<unsigned>(part.substr(0, dash), option);
    const auto last = dash == part.size() ? parse_number<unsigned>(part, option) : parse_number<unsigned>(part.substr(dash + 1), option);
    if (!first || !last || *last < *first) return wrong();
  }
  return text;
}

Result<Disk> parse_disk(const std::string& text, Disk::Kind kind, const char* option, const DiskNumbers& find) {
  const std::size_t colon = text.rfind(':');
  const bool counts_bytes = kind == Disk::Kind::read_bytes || kind == Disk::Kind::write_bytes;
  if (!text.starts_with('/') || colon == std::string::npos)
    return fail(EINVAL, "{} {}: should be DEVICE:{}", option, text, kind == Disk::Kind::weight ? "WEIGHT" : counts_bytes ? "BYTES" : "NUMBER");
  const std::string value = text.substr(colon + 1);
  Disk disk{.kind = kind, .major = 0, .minor = 0, .value = 0};
  disk.value = counts_bytes ? TRY(parse_memory(value, option)) : TRY(parse_number<std::uint64_t>(value, option));
  if (kind == Disk::Kind::weight && (disk.value < 10 || disk.value > 1000)) return fail(EINVAL, "{} {}: a weight is from 10 to 1000", option, text);
  std::tie(disk.major, disk.minor) = TRY_WITHIN(find(text.substr(0, colon)), "{}", option);
  return disk;
}

Result<void> describe_limits(const RunOptions& options, sandbox::Spec& spec) {
  sandbox::Resources& into = spec.resources;
  TRY(describe_memory(options, into));
  TRY(describe_processors(options, into));
  TRY(describe_disks(options, into));
  // To docker and podman 0 is no limit, and so is -1.
  if (!options.pids_limit.empty())
    if (const auto pids = TRY(parse_number<std::int64_t>(options.pids_limit, "--pids-limit")); pids > 0) into.pids = pids;
  for (const std::string& text : options.cgroup_conf) into.files.push_back(TRY(parse_cgroup_file(text)));
  if (!options.cgroup_parent.empty()) spec.cgroup_parent = options.cgroup_parent.starts_with('/') ? options.cgroup_parent : "/" + options.cgroup_parent;
  if (spec.cgroup_parent.find("/..") != std::string::npos || spec.cgroup_parent.ends_with(".slice"))
    return fail(EINVAL, "--cgroup-parent {}: should be a path in the hierarchy of cgroups{}", options.cgroup_parent,
                spec.cgroup_parent.ends_with(".slice") ? "; a slice of systemd's gives one by systemd-run --scope --slice=" : "");
  return {};
}

}  // namespace acetate::cli
