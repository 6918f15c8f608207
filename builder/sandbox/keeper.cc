#include "builder/sandbox/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <span>

#include "base/log.h"
#include "base/sys/call.h"
#include "base/sys/close_others.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "builder/sandbox/offspring.h"
#include "builder/sandbox/signals.h"

namespace acetate::sandbox {

namespace {

// Our own, seen by nobody: whoever started us learns from the pipes.
constexpr int kOurFault = 125;

template <class Message>
void tell(FdRef pipe, const Message& message) {
  // A pipe takes so much at once or not at all; of one that nobody reads there is nobody to tell.
  static_cast<void>(sys::write_full(pipe, std::as_bytes(std::span(&message, 1))).has_value());
}

// Every one that there is: also which a --stop-signal names.
Result<Fd> take_signals() {
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  return Fd(Adopt{}, TRY(sys::checked(sys::Call::signalfd, [&] { return ::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK); })));
}

// Only what whoever started us hands down: a signal for all of his process group he hands on too, and the container's processes see us.
void hand_on(FdRef signals, pid_t starter, pid_t command) {
  for (;;) {
    signalfd_siginfo info{};
    const auto got = sys::read(signals, std::as_writable_bytes(std::span(&info, 1)));
    if (!got || *got != sizeof info) return;
    if (info.ssi_pid != static_cast<std::uint32_t>(starter)) continue;
    if (const auto signal = handed_down(info)) ::kill(command, *signal);
  }
}

// The command's status once it has ended; what was orphaned meanwhile is reaped along the way.
std::optional<int> reap(pid_t command) {
  std::optional<int> ended;
  int status = 0;
  for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;)
    if (pid == command) ended = status;
  return ended;
}

// The end of a process that is not our child.
class Elsewhere {
 public:
  explicit Elsewhere(const std::string& pid_file) : file_(pid_file), done_(pid_file.empty()) {}

  FdRef descriptor() const { return pidfd_.ref(); }  // readable once it has ended; none before Linux 5.3
  // What poll(2) may wait for.
  int timeout() const { return done_ || pidfd_ ? -1 : kSoon; }
  // True once: when it is seen to have ended.
  bool ends() {
    if (done_) return false;
    if (pid_ == 0 && !find()) return false;
    done_ = has_ended();
    if (done_) pidfd_.reset();
    return done_;
  }

 private:
  static constexpr int kSoon = 20;  // milliseconds: while a runtime starts, which takes longer

  bool has_ended() const {
    if (!pidfd_) return is_over(pid_);
    pollfd polled{pidfd_.ref().fd, POLLIN, 0};
    return ::poll(&polled, 1, 0) > 0;
  }

  bool find() {
    // Renamed into place by runc, written in place by crun: no number is half of one, for pids of ours are told at once.
    const auto text = sys::read_file(file_, 32);
    if (!text || std::from_chars(text->data(), text->data() + text->size(), pid_).ec != std::errc()) return false;
    if (auto opened = sys::pidfd_open(pid_)) pidfd_ = *std::move(opened);
    return true;
  }

  std::string file_;
  pid_t pid_ = 0;
  Fd pidfd_;
  bool done_;
};

int tend(pid_t starter, pid_t command, Elsewhere first, FdRef signals, FdRef lifeline) {
  for (;;) {
    if (const auto status = reap(command)) return *status;
    if (first.ends())
      if (auto ended = end_offspring(command); !ended) log::warn("ending what the command left running: {}", ended.error().message());
    pollfd polled[] = {{signals.fd, POLLIN, 0}, {lifeline.fd, 0, 0}, {first.descriptor().fd, POLLIN, 0}};
    if (::poll(polled, std::size(polled), first.timeout()) < 0) continue;
    if (polled[0].revents != 0) hand_on(signals, starter, command);
    if (polled[1].revents != 0) return SIGKILL;  // as a status that is "killed by it", as will be
  }
}

}  // namespace

void be_keeper(KeeperPipes pipes, const KeptCommand& kept) {
  ::prctl(PR_SET_NAME, "acetate-keeper");
  const pid_t starter = ::getppid();
  auto signals = take_signals();
  auto adopted = adopt_orphans();
  Result<pid_t> command = !signals ? std::move(signals).error() : !adopted ? adopted.error().clone() : kept.start();
  KeeperStarted started{.pid = command ? *command : 0, .code = command ? 0 : command.error().code(), .words = {}};
  if (!command) command.error().message().copy(started.words, sizeof started.words - 1);
  tell(pipes.told.ref(), started);
  if (started.pid == 0) {
    if (adopted) static_cast<void>(end_offspring().has_value());  // what was begun; why it went no further has been told
    ::_exit(kOurFault);
  }

  // What others are to learn the end of (pipes, mounts, locks) must not stay for our sake. Standard input, output and error stay, for what the log has to say.
  int needed[] = {pipes.lifeline.ref().fd, pipes.told.ref().fd, signals->ref().fd};
  std::ranges::sort(needed);
  sys::close_all_but(needed);
  const int status = tend(starter, started.pid, Elsewhere(kept.pid_file), signals->ref(), pipes.lifeline.ref());
  if (auto ended = end_offspring(); !ended) log::warn("ending what the command left running: {}", ended.error().message());
  tell(pipes.told.ref(), WIFSIGNALED(status) ? KeeperEnded{0, WTERMSIG(status)} : KeeperEnded{WEXITSTATUS(status), 0});
  ::_exit(0);
}

}  // namespace acetate::sandbox
