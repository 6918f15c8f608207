#include "base/sys/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/sys/call.h"
#include "base/sys/close_others.h"
#include "base/sys/file.h"

extern char** environ;

namespace acetate::sys {

namespace {

Exit decode(int status) {
  if (WIFSIGNALED(status)) return Exit{.code = 0, .signal = WTERMSIG(status)};
  return Exit{.code = WEXITSTATUS(status)};
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  out.reserve(words.size() + 1);
  for (const auto& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

// Everything the child needs, made before it is: between vfork and exec only async-signal-safe calls, and nothing that the parent,
// whose memory it is, would mind.
struct Prepared {
  std::string path;
  std::vector<char*> argv;
  std::vector<char*> env;
  const char* cwd;
  std::vector<Inherit> fds;
  std::vector<int> keep;  // sorted target numbers
  bool new_session;
  bool die_with_parent;
  pid_t parent;
};

[[noreturn]] void report_and_die(int pipe, int code) {
  [[maybe_unused]] const auto written = ::write(pipe, &code, sizeof code);
  ::_exit(127);
}

// No handler of ours may run in memory that is the parent's; exec does the same to them. What is ignored stays so, but for SIGPIPE.
void forget_handlers() {
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) != 0 || now.sa_handler == SIG_DFL) continue;
    if (now.sa_handler == SIG_IGN && signal != SIGPIPE) continue;
    ::signal(signal, SIG_DFL);
  }
}

// All signals are held.
[[noreturn]] void become(const Prepared& what, int error_pipe) {
  forget_handlers();
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (what.new_session) ::setsid();
  if (what.die_with_parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != what.parent) ::_exit(127);  // it died before we asked
  }
  if (what.cwd != nullptr && ::chdir(what.cwd) != 0) report_and_die(error_pipe, errno);
  // First out of the way of every target number, then into place.
  int moved[64];
  const int floor = what.keep.empty() ? 3 : std::max(3, what.keep.back() + 1);
  error_pipe = ::fcntl(error_pipe, F_DUPFD_CLOEXEC, floor);
  if (error_pipe < 0) ::_exit(127);
  for (std::size_t i = 0; i < what.fds.size(); ++i) {
    moved[i] = ::fcntl(what.fds[i].fd.fd, F_DUPFD_CLOEXEC, floor);
    if (moved[i] < 0) report_and_die(error_pipe, errno);
  }
  for (std::size_t i = 0; i < what.fds.size(); ++i)
    if (::dup2(moved[i], what.fds[i].as) < 0) report_and_die(error_pipe, errno);
  // Nothing else crosses: between and above the numbers that were asked for.
  close_all_on_exec_but(what.keep);
  ::execve(what.path.c_str(), what.argv.data(), what.env.data());
  report_and_die(error_pipe, errno);
}

// vfork and not fork: to copy the tables of a program's pages takes longer than to start one.
Result<pid_t> start(const Prepared& what, int error_pipe) {
  TRY(done(Call::clone, [] { return 0; }));
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  // Called here and in no function of its own: the child goes on in this frame, so this frame must stay.
  const pid_t pid = ::vfork();
  if (pid == 0) become(what, error_pipe);
  const int code = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return Error(code);
  return pid;
}

}  // namespace

std::string Exit::describe() const {
  if (!signal) return fmt::format("exited with {}", code);
  const char* name = ::sigabbrev_np(*signal);
  return name != nullptr ? fmt::format("was killed by SIG{}", name) : fmt::format("was killed by signal {}", *signal);
}

Child::Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

Child& Child::operator=(Child&& other) noexcept {
  Child moved(std::move(other));
  std::swap(pid_, moved.pid_);
  return *this;
}

Child::~Child() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

pid_t Child::release() noexcept { return std::exchange(pid_, -1); }

Result<Exit> Child::wait() {
  int status = 0;
  TRY(done(Call::wait, [&] { return ::waitpid(pid_, &status, 0); }));
  pid_ = -1;
  return decode(status);
}

Result<std::optional<Exit>> Child::poll() {
  int status = 0;
  const auto reaped = TRY(checked(Call::wait, [&] { return ::waitpid(pid_, &status, WNOHANG); }));
  if (reaped == 0) return std::optional<Exit>();
  pid_ = -1;
  return std::optional<Exit>(decode(status));
}

Result<void> Child::kill(int signal) {
  if (pid_ <= 0) return Error(ESRCH);  // to kill(2) -1 is everybody
  return done(Call::kill, [&] { return ::kill(pid_, signal); });
}

Result<Fd> pidfd_open(pid_t pid) {
#ifdef SYS_pidfd_open
  return Fd(Adopt{}, static_cast<int>(
                         TRY(checked(Call::pidfd_open, [&] { return ::syscall(SYS_pidfd_open, pid, 0U); }))));
#else
  return Error(ENOSYS);
#endif
}

Result<std::string> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* from_environment = ::getenv("PATH");
  const std::string path =
      fmt::format("{}:/usr/local/sbin:/usr/sbin:/sbin", from_environment != nullptr ? from_environment : "/usr/bin:/bin");
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t colon = std::min(path.find(':', at), path.size());
    const std::string dir = path.substr(at, colon - at);
    at = colon + 1;
    // To a shell an empty one is the working directory, from where nobody means to take a helper.
    if (dir.empty()) continue;
    const std::string candidate = fmt::format("{}/{}", dir, name);
    const bool executable =
        done(Call::faccessat, [&] { return ::faccessat(AT_FDCWD, candidate.c_str(), X_OK, 0); }).has_value();
    if (!executable) continue;
    if (auto st = stat_following(candidate); st && S_ISREG(st->st_mode)) return candidate;
  }
  return Error(ENOENT);
}

Result<Child> spawn(const Command& command) {
  if (command.argv.empty()) return fail(EINVAL, "no program to start");
  if (command.fds.size() > 64) return fail(EINVAL, "more than 64 descriptors to pass on");
  Prepared prepared;
  prepared.path = !command.program.empty() ? command.program : TRY_WITHIN(find_program(command.argv[0]), "{}", command.argv[0]);
  prepared.argv = pointers(command.argv);
  if (command.env) {
    prepared.env = pointers(*command.env);
  } else {
    for (char** entry = environ; *entry != nullptr; ++entry) prepared.env.push_back(*entry);
    prepared.env.push_back(nullptr);
  }
  prepared.cwd = command.cwd.empty() ? nullptr : command.cwd.c_str();
  prepared.fds = command.fds;
  for (const Inherit& inherit : command.fds) prepared.keep.push_back(inherit.as);
  std::sort(prepared.keep.begin(), prepared.keep.end());
  prepared.new_session = command.new_session;
  prepared.die_with_parent = command.die_with_parent;
  prepared.parent = ::getpid();

  Pipe errors = TRY(make_pipe());
  const pid_t pid = TRY(start(prepared, errors.write.ref().fd));
  errors.write.reset();
  Child child(pid);
  // exec closes the pipe; an errno in it says it never happened.
  int code = 0;
  const std::size_t got = TRY(read(errors.read.ref(), std::as_writable_bytes(std::span(&code, 1))));
  if (got == sizeof code) {
    (void)child.wait();
    return Error(code).within(command.program.empty() ? command.argv[0] : command.program);
  }
  return child;
}

Result<Captured> run_captured(const Command& command) {
  constexpr std::size_t kMost = 1 << 20;
  Pipe out = TRY(make_pipe());
  Pipe err = TRY(make_pipe());
  Command with_pipes = command;
  with_pipes.fds.push_back({out.write.ref(), 1});
  with_pipes.fds.push_back({err.write.ref(), 2});
  Child child = TRY(spawn(with_pipes));
  out.write.reset();
  err.write.reset();
  Captured captured;
  std::array<char, 65536> buffer;
  std::array<pollfd, 2> watched{pollfd{out.read.ref().fd, POLLIN, 0}, pollfd{err.read.ref().fd, POLLIN, 0}};
  std::array<std::string*, 2> into{&captured.out, &captured.err};
  while (watched[0].fd >= 0 || watched[1].fd >= 0) {
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return Error(errno);
    for (std::size_t i = 0; i < watched.size(); ++i) {
      if (watched[i].fd < 0 || watched[i].revents == 0) continue;
      const std::size_t count = TRY(read(FdRef{watched[i].fd}, std::as_writable_bytes(std::span(buffer))));
      if (count == 0) watched[i].fd = -1;
      if (into[i]->size() < kMost) into[i]->append(buffer.data(), std::min(count, kMost - into[i]->size()));
    }
  }
  captured.exit = TRY(child.wait());
  return captured;
}

Result<Pipe> make_pipe() {
  int ends[2];
  TRY(done(Call::pipe, [&] { return ::pipe2(ends, O_CLOEXEC); }));
  return Pipe{.read = Fd(Adopt{}, ends[0]), .write = Fd(Adopt{}, ends[1])};
}

}  // namespace acetate::sys
