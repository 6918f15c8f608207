// What ends the commands of a build before they end by themselves: that another has failed, or a signal that we are sent. The command is not asked about it: it is
// the first process of its namespace, to which most signals are nothing at all, and nobody waits for what it would make of one.
#pragma once

#include <atomic>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sandbox {

class Ending {
 public:
  static Result<Ending> make();
  Ending(Ending&& other) noexcept : told_(std::move(other.told_)), alive_(other.alive_.exchange(-1)) {}
  ~Ending() { end(); }
  // For Spec::ending; to a command that has one no signal that is sent to us is handed on.
  FdRef of_commands() const noexcept { return told_.ref(); }
  // Ends them all, and those that are started later. May be called again, and by a signal handler.
  void end() const noexcept;

  // While one lives, the first SIGINT, SIGTERM, SIGHUP or SIGQUIT that we do not ignore ends the commands and not us, so that what they leave behind is cleared away;
  // one that comes a second later or more is as ever. The Ending must outlive it, and whoever may be in the handler; of one Ending at a time there may be several. What was
  // taken once is so for the rest of the process.
  class Running {
   public:
    explicit Running(const Ending& ending);
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running();
  };

 private:
  Ending(Fd told, Fd alive) : told_(std::move(told)), alive_(std::move(alive).release()) {}
  Fd told_;                         // the reading end of a pipe
  mutable std::atomic<int> alive_;  // the other, which nobody else has; -1 once it is closed
};

// The signal that ended the commands, 0 if none has.
int ended_by() noexcept;

}  // namespace acetate::sandbox
