#include "builder/sandbox/attended.h"

#include <signal.h>
#include <unistd.h>

#include <span>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "builder/sandbox/signals.h"

namespace acetate::sandbox {

namespace {

// False where it ended before it told.
template <class Message>
Result<bool> hear(FdRef pipe, Message& message) {
  return TRY(sys::read(pipe, std::as_writable_bytes(std::span(&message, 1)))) == sizeof message;
}

}  // namespace

Attended::Attended(sys::Child command) : command_(command.pid()), child_(std::move(command)) {}

Attended::Attended(sys::Child keeper, pid_t command, Fd lifeline, Fd told)
    : command_(command), child_(std::move(keeper)), lifeline_(std::move(lifeline)), told_(std::move(told)) {}

Attended::Attended(Attended&& other) noexcept
    : command_(std::exchange(other.command_, 0)), sent_(std::exchange(other.sent_, 0)), child_(std::move(other.child_)), lifeline_(std::move(other.lifeline_)), told_(std::move(other.told_)) {}

Attended& Attended::operator=(Attended&& other) noexcept {
  Attended moved(std::move(other));
  std::swap(command_, moved.command_);
  std::swap(sent_, moved.sent_);
  std::swap(child_, moved.child_);
  std::swap(lifeline_, moved.lifeline_);
  std::swap(told_, moved.told_);
  return *this;
}

Attended::~Attended() {
  // A keeper that is killed ends nobody; so it is told, and waited for.
  if (!lifeline_ || !child_) return;
  end_all();
  static_cast<void>(child_.wait().has_value());
}

Result<Attended> Attended::keep(const KeptCommand& command) {
  sys::Pipe lifeline = TRY(sys::make_pipe());
  sys::Pipe told = TRY(sys::make_pipe());
  // fork(2) and no bare clone(2): the keeper goes on in this program, whose other threads may hold what only fork(2) puts right.
  const pid_t pid = TRY(sys::checked(sys::Call::clone, [] { return ::fork(); }));
  if (pid == 0) {
    lifeline.write.reset();
    told.read.reset();
    be_keeper({.lifeline = std::move(lifeline.read), .told = std::move(told.write)}, command);
  }
  sys::Child keeper(pid);
  lifeline.read.reset();
  told.write.reset();
  KeeperStarted started{};
  if (!TRY(hear(told.read.ref(), started))) return fail(EIO, "the process over the command {}", TRY(keeper.wait()).describe());
  if (started.pid == 0) TRY(keeper.wait());
  started.words[sizeof started.words - 1] = '\0';
  if (started.code != 0) return Error(started.code, started.words);
  return Attended(std::move(keeper), started.pid, std::move(lifeline.write), std::move(told.read));
}

Result<sys::Exit> Attended::how(sys::Exit ended) const {
  KeeperEnded told{};
  if (!told_ || !TRY(hear(told_.ref(), told))) return ended;  // the keeper itself was killed
  return sys::Exit{.code = told.code, .signal = told.signal != 0 ? std::optional(told.signal) : std::nullopt};
}

Result<sys::Exit> Attended::wait() { return how(TRY(child_.wait())); }

Result<std::optional<sys::Exit>> Attended::poll() {
  const auto ended = TRY(child_.poll());
  if (!ended) return ended;
  return std::optional(TRY(how(*ended)));
}

Result<void> Attended::kill(int signal) {
  if (signal > 0 && signal < 64) sent_ |= std::uint64_t{1} << signal;
  if (!told_) return child_.kill(signal);
  // The one that no keeper can hand on.
  if (signal == SIGSTOP) return sys::done(sys::Call::kill, [&] { return ::kill(command_, SIGSTOP); });
  if (signal != SIGKILL) return hand_down(child_.pid(), signal);
  end_all();
  return {};
}

void Attended::end_all() {
  lifeline_.reset();
  // Somebody may have stopped it: it is seen by the container.
  static_cast<void>(child_.kill(SIGCONT).has_value());
}

}  // namespace acetate::sandbox
