#include "builder/sandbox/offspring.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <optional>
#include <vector>

#include "base/sys/call.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"

namespace acetate::sandbox {

namespace {

std::vector<pid_t> numbers_in(std::string_view text) {
  std::vector<pid_t> numbers;
  for (const char *at = text.data(), *end = at + text.size(); at != end;) {
    pid_t number = 0;
    const auto [next, code] = std::from_chars(at, end, number);
    if (code == std::errc()) numbers.push_back(number);
    at = next == at ? at + 1 : next;
  }
  return numbers;
}

// proc(5): "pid (comm) state ppid …"; a comm may have anything in it, also parentheses.
struct Stat {
  char state;
  pid_t parent;
};
std::optional<Stat> read_stat(pid_t pid) {
  const auto text = sys::read_file(fmt::format("/proc/{}/stat", pid), 4096);
  if (!text) return std::nullopt;
  const std::size_t comm = text->rfind(") ");
  if (comm == std::string::npos || text->size() < comm + 5) return std::nullopt;
  const auto numbers = numbers_in(std::string_view(*text).substr(comm + 4));
  if (numbers.empty()) return std::nullopt;
  return Stat{.state = (*text)[comm + 2], .parent = numbers.front()};
}

// Where the kernel was built without CONFIG_PROC_CHILDREN.
Result<std::vector<pid_t>> children_by_their_parent() {
  const Fd proc = TRY(sys::open("/proc", O_RDONLY | O_DIRECTORY));
  std::vector<pid_t> children;
  TRY(sys::read_dir(proc.ref(), [&](const sys::DirEntry& entry) {
    const auto pid = numbers_in(entry.name);
    if (pid.empty()) return true;
    const auto stat = read_stat(pid.front());
    if (stat && stat->parent == ::getpid()) children.push_back(pid.front());
    return true;
  }));
  return children;
}

Result<std::vector<pid_t>> children() {
  auto listed = sys::read_file("/proc/thread-self/children", 1 << 20);
  if (listed) return numbers_in(*listed);
  if (listed.error().is(ENOENT)) return children_by_their_parent();
  return std::move(listed).error();
}

}  // namespace

bool is_over(pid_t pid) {
  const auto stat = read_stat(pid);
  return !stat || stat->state == 'Z' || stat->state == 'X';
}

Result<void> adopt_orphans() {
  return sys::done(sys::Call::prctl, [] { return ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); });
}

Result<void> end_offspring(pid_t spared) {
  for (;;) {
    auto below = TRY(children());
    std::erase(below, spared);
    if (below.empty()) return {};
    for (const pid_t pid : below) ::kill(pid, SIGKILL);
    for (const pid_t pid : below) TRY(sys::done(sys::Call::wait, [&] { return ::waitpid(pid, nullptr, 0); }));
  }
}

}  // namespace acetate::sandbox
