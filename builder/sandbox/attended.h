// The command of a container, as whoever waits for it has it: in a pid namespace of its own, or with a keeper over it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "base/sys/process.h"
#include "builder/sandbox/keeper.h"

namespace acetate::sandbox {

// Owns it: whoever lets go of one that runs has it killed, and with a keeper all that is below it too.
class Attended {
 public:
  Attended() = default;
  // Without a keeper.
  explicit Attended(sys::Child command);
  // With a keeper over it. Where it started nothing and told why elsewhere there is nothing to attend (pid() is 0), which is no error. If this process
  // dies, everything below the keeper is killed.
  static Result<Attended> keep(const KeptCommand& command);

  Attended(Attended&&) noexcept;
  Attended& operator=(Attended&& other) noexcept;
  ~Attended();

  pid_t pid() const noexcept { return command_; }  // of the command
  explicit operator bool() const noexcept { return command_ > 0; }
  // With a keeper: when nothing is left below it. How the command ended.
  Result<sys::Exit> wait();
  // Nothing while it runs.
  Result<std::optional<sys::Exit>> poll();
  // To the command; with a keeper SIGKILL is for all that is below.
  Result<void> kill(int signal);
  // Whether it was sent this one by kill().
  bool was_sent(int signal) const noexcept { return signal > 0 && signal < 64 && (sent_ >> signal & 1) != 0; }
  // As sys::Child::pidfd().
  Result<Fd> pidfd() const { return child_.pidfd(); }

 private:
  Attended(sys::Child keeper, pid_t command, Fd lifeline, Fd told);
  void end_all();
  Result<sys::Exit> how(sys::Exit keeper) const;
  pid_t command_ = 0;
  std::uint64_t sent_ = 0;  // a bit for each signal
  sys::Child child_;    // the command, or its keeper
  Fd lifeline_, told_;  // with a keeper
};

}  // namespace acetate::sandbox
