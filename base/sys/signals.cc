#include "base/sys/signals.h"

#include <pthread.h>
#include <sys/signalfd.h>

#include <csignal>
#include <span>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/unix_socket.h"

namespace acetate::sys {

Result<AwaitedSignals> AwaitedSignals::block(std::initializer_list<int> signals) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : signals) ::sigaddset(&set, signal);
  if (const int code = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); code != 0) return Error(code);
  return AwaitedSignals(Fd(Adopt{}, TRY(checked(Call::signalfd, [&] { return ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK); }))));
}

Result<std::optional<int>> AwaitedSignals::wait(std::chrono::milliseconds longest) const {
  if (!TRY(wait_readable(fd_.ref(), static_cast<int>(longest.count())))) return std::optional<int>();
  return take();
}

Result<std::optional<int>> AwaitedSignals::take() const {
  signalfd_siginfo what{};
  auto got = read(fd_.ref(), std::as_writable_bytes(std::span(&what, 1)));
  if (!got && got.error().is(EAGAIN)) return std::optional<int>();
  TRY(std::move(got));
  return std::optional<int>(static_cast<int>(what.ssi_signo));
}

SignalsHeldBack::SignalsHeldBack() noexcept {
  sigset_t all;
  ::sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) ::sigdelset(&all, fault);
  ::pthread_sigmask(SIG_BLOCK, &all, &before_);
}

SignalsHeldBack::~SignalsHeldBack() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

}  // namespace acetate::sys
