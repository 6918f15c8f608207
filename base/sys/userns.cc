#include "base/sys/userns.h"

#include <pwd.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <limits>

#include "base/number.h"
#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/process.h"

namespace acetate::sys {

namespace {

constexpr std::size_t kMostOfAFile = 16 << 20;

std::string_view cut(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

std::string user_name(uid_t uid) {
  const struct passwd* entry = ::getpwuid(uid);
  return entry != nullptr ? entry->pw_name : std::to_string(uid);
}

Result<std::vector<IdRange>> subordinate(const char* path) {
  auto text = read_file(path, kMostOfAFile);
  if (!text && text.error().is(ENOENT)) return std::vector<IdRange>();
  return parse_subid(TRY_WITHIN(std::move(text), "reading {}", path), user_name(::getuid()), ::getuid());
}

Result<void> write_map_with(const char* helper, pid_t pid, const std::vector<IdRange>& ranges) {
  Command command{.argv = {helper, std::to_string(pid)}};
  for (const IdRange& range : ranges)
    for (const std::uint32_t number : {range.inside, range.outside, range.count})
      command.argv.push_back(std::to_string(number));
  auto ran = run_captured(command);
  if (!ran && ran.error().is(ENOENT))
    return fail(ENOENT, "{} is not installed (apt install uidmap; dnf install shadow-utils)", helper);
  const Captured captured = TRY(std::move(ran));
  if (captured.exit.ok()) return {};
  std::string said = captured.err;
  while (said.ends_with('\n')) said.pop_back();
  return fail(EPERM, "{} {}{}{}", helper, captured.exit.describe(), said.empty() ? "" : ": ", said);
}

Result<void> write_proc(pid_t pid, const char* name, std::string_view text) {
  const std::string path = fmt::format("/proc/{}/{}", pid, name);
  const Fd file = TRY_WITHIN(open(path, O_WRONLY), "{}", path);
  TRY_WITHIN(write_full(file.ref(), text), "writing \"{}\" to {}", text, path);
  return {};
}

}  // namespace

std::vector<IdRange> parse_subid(std::string_view file, std::string_view user, uid_t uid) {
  std::vector<IdRange> ranges;
  const std::string number = std::to_string(uid);
  std::uint64_t inside = 1;
  while (!file.empty()) {
    std::string_view line = cut(file, '\n');
    const std::string_view owner = cut(line, ':');
    const std::string_view start = cut(line, ':');
    if (owner.empty() || (owner != user && owner != number)) continue;
    const auto outside = number_of<std::uint32_t>(start), count = number_of<std::uint32_t>(line);
    if (!outside || !count || *count == 0) continue;
    const IdRange range{.inside = static_cast<std::uint32_t>(inside), .outside = *outside, .count = *count};
    // The last id, (uid_t)-1, is no id at all.
    constexpr std::uint64_t kEnd = std::numeric_limits<std::uint32_t>::max();
    if (range.outside + std::uint64_t{range.count} > kEnd || inside + range.count > kEnd) continue;
    ranges.push_back(range);
    inside += range.count;
  }
  return ranges;
}

Result<std::vector<IdRange>> subordinate_uids() { return subordinate("/etc/subuid"); }
Result<std::vector<IdRange>> subordinate_gids() { return subordinate("/etc/subgid"); }

Result<void> write_maps_with_helpers(pid_t pid, const std::vector<IdRange>& uids,
                                     const std::vector<IdRange>& gids) {
  TRY(write_map_with("newuidmap", pid, uids));
  return write_map_with("newgidmap", pid, gids);
}

Result<void> write_single_map(pid_t pid, uid_t uid, gid_t gid) {
  // Since Linux 3.19 an unprivileged gid_map needs setgroups(2) given up first.
  TRY(write_proc(pid, "setgroups", "deny"));
  TRY(write_proc(pid, "uid_map", fmt::format("0 {} 1", uid)));
  return write_proc(pid, "gid_map", fmt::format("0 {} 1", gid));
}

std::vector<IdRange> parse_id_map(std::string_view text) {
  std::vector<IdRange> ranges;
  while (!text.empty()) {
    std::string_view line = cut(text, '\n');
    std::vector<std::uint32_t> numbers;
    while (!line.empty()) {
      if (const auto value = number_of<std::uint32_t>(cut(line, ' '))) numbers.push_back(*value);
    }
    if (numbers.size() == 3) ranges.push_back({numbers[0], numbers[1], numbers[2]});
  }
  return ranges;
}

Result<std::vector<IdRange>> current_uid_map() {
  return parse_id_map(TRY_WITHIN(read_file("/proc/self/uid_map", kMostOfAFile), "reading /proc/self/uid_map"));
}

Result<std::vector<IdRange>> current_gid_map() {
  return parse_id_map(TRY_WITHIN(read_file("/proc/self/gid_map", kMostOfAFile), "reading /proc/self/gid_map"));
}

Result<pid_t> fork_into(int namespaces) {
  // glibc's fork() takes no flags. Every argument but the flags is 0, so the order in which architectures take
  // them does not matter, but for s390, which wants the stack first.
  const unsigned long flags = static_cast<unsigned long>(namespaces) | SIGCHLD;
#ifdef __s390__
  const auto clone = [&] { return ::syscall(SYS_clone, 0UL, flags, 0UL, 0UL, 0UL); };
#else
  const auto clone = [&] { return ::syscall(SYS_clone, flags, 0UL, 0UL, 0UL, 0UL); };
#endif
  const long pid = TRY(checked(Call::clone, clone));
  return static_cast<pid_t>(pid);
}

}  // namespace acetate::sys
