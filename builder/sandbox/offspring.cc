#include "builder/sandbox/offspring.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <iterator>
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
Result<Stat> read_stat(pid_t pid) {
  const std::string text = TRY(sys::read_file(fmt::format("/proc/{}/stat", pid), 4096));
  const std::size_t comm = text.rfind(") ");
  const auto numbers = comm != std::string::npos && text.size() >= comm + 5 ? numbers_in(std::string_view(text).substr(comm + 4)) : std::vector<pid_t>();
  if (numbers.empty()) return Error(EBADMSG);
  return Stat{.state = text[comm + 2], .parent = numbers.front()};
}

Result<std::size_t> count_threads(pid_t pid) {
  const Fd tasks = TRY(sys::open(fmt::format("/proc/{}/task", pid), O_RDONLY | O_DIRECTORY));
  std::size_t count = 0;
  TRY(sys::read_dir(tasks.ref(), [&](const sys::DirEntry&) { return ++count > 0; }));
  return count;
}

// Where the kernel was built without CONFIG_PROC_CHILDREN.
Result<std::vector<pid_t>> children_by_their_parent(pid_t parent) {
  const Fd proc = TRY(sys::open("/proc", O_RDONLY | O_DIRECTORY));
  std::vector<pid_t> children;
  TRY(sys::read_dir(proc.ref(), [&](const sys::DirEntry& entry) {
    const auto pid = numbers_in(entry.name);
    if (pid.empty()) return true;
    const auto stat = read_stat(pid.front());
    if (stat && stat->parent == parent) children.push_back(pid.front());
    return true;
  }));
  return children;
}

Result<std::vector<pid_t>> children_of(pid_t parent) {
  const Fd tasks = TRY(sys::open(fmt::format("/proc/{}/task", parent), O_RDONLY | O_DIRECTORY));
  std::vector<pid_t> children;
  std::optional<Error> failed;  // of others none is missed: what has no list any more has ended
  TRY(sys::read_dir(tasks.ref(), [&](const sys::DirEntry& task) {
    const auto listed = sys::read_file(fmt::format("/proc/{}/task/{}/children", parent, task.name), 1 << 20);
    if (listed) std::ranges::copy(numbers_in(*listed), std::back_inserter(children));
    else if (parent == ::getpid()) failed = listed.error().clone();
    return !failed;
  }));
  if (!failed) return children;
  if (failed->is(ENOENT)) return children_by_their_parent(parent);
  return *std::move(failed);
}

// Not its children alone: one that is killed may not be able to go before one of its own has gone (a tracer, a daemon that it waits for in the kernel).
void kill_tree(pid_t pid) {
  // Before itself: what it leaves when it goes is ours in the next round.
  if (const auto below = children_of(pid))
    for (const pid_t child : *below) kill_tree(child);
  ::kill(pid, SIGKILL);
}

}  // namespace

bool is_over(pid_t pid) {
  const auto stat = read_stat(pid);
  if (!stat) return stat.error().is(ENOENT) || stat.error().is(ESRCH);
  if (stat->state == 'X') return true;
  if (stat->state != 'Z') return false;
  // So is one whose first thread has ended and no other.
  const auto threads = count_threads(pid);
  return threads ? *threads <= 1 : threads.error().is(ENOENT);
}

Result<void> adopt_orphans() {
  return sys::done(sys::Call::prctl, [] { return ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); });
}

Result<void> end_offspring(pid_t spared) {
  constexpr int kLongest = 20;  // milliseconds
  for (int pause = 1;; pause = std::min(2 * pause, kLongest)) {
    auto below = TRY(children_of(::getpid()));
    std::erase(below, spared);
    if (below.empty()) return {};
    for (const pid_t pid : below) kill_tree(pid);
    // None is waited for alone: it may be waiting for the next.
    for (const pid_t pid : below)
      if (TRY(sys::checked(sys::Call::wait, [&] { return ::waitpid(pid, nullptr, WNOHANG); })) == pid) pause = 1;
    ::poll(nullptr, 0, pause);
  }
}

}  // namespace acetate::sandbox
