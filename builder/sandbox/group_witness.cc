#include "builder/sandbox/group_witness.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <sstream>

#include "base/sys/call.h"
#include "base/sys/close_others.h"
#include "base/sys/file.h"
#include "base/sys/unix_socket.h"

namespace acetate::sandbox {

namespace {

// Where our command line lies in memory, for a process that is to be found by none (proc(5), /proc/PID/stat).
std::span<char> command_line() {
  const auto stat = sys::read_file("/proc/self/stat", 1 << 16);
  if (!stat) return {};
  std::istringstream fields(stat->substr(std::min(stat->rfind(')') + 2, stat->size())));
  constexpr int kFirst = 3, kStart = 48;
  std::string skipped;
  for (int field = kFirst; field < kStart; ++field) fields >> skipped;
  std::uintptr_t start = 0, end = 0;
  if (!(fields >> start >> end) || start == 0 || end <= start) return {};
  return {reinterpret_cast<char*>(start), end - start};
}

// Answers each number with 1 or 0.
[[noreturn]] void witness(int asked, std::span<char> name) {
  ::prctl(PR_SET_NAME, "group-witness");
  std::memset(name.data(), 0, name.size());
  const int needed[] = {asked};
  sys::close_all_but(needed);
  std::uint8_t number = 0;
  while (::read(asked, &number, 1) == 1) {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, number);
    constexpr timespec kNow{};
    const std::uint8_t came = ::sigtimedwait(&wanted, nullptr, &kNow) > 0 ? 1 : 0;
    if (::write(asked, &came, 1) != 1) break;
  }
  ::_exit(0);
}

}  // namespace

Result<GroupWitness> GroupWitness::start() {
  const auto name = command_line();
  sys::SocketPair pair = TRY(sys::make_socket_pair());
  // Blocked from the first instant of the child, and for that instant in us.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  auto pid = sys::checked(sys::Call::clone, [] { return ::fork(); });
  if (pid && *pid == 0) witness(pair.other.ref().fd, name);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return GroupWitness(sys::Child(TRY(std::move(pid))), std::move(pair.one));
}

bool GroupWitness::took(int signal) const noexcept {
  const auto number = static_cast<std::uint8_t>(signal);
  std::uint8_t came = 0;
  if (!sys::send_full(asked_.ref(), {reinterpret_cast<const char*>(&number), 1})) return false;
  const auto got = sys::read(asked_.ref(), std::as_writable_bytes(std::span(&came, 1)));
  return got && *got == 1 && came == 1;
}

}  // namespace acetate::sandbox
