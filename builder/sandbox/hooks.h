// The hooks of a container, run as the runtime-spec says (config.md#posix-platform-hooks): each in whatever namespaces its caller is in, one after
// another, the state of the container on its standard input. For our own launcher; runc and crun do it themselves.
//
// What they write is read, and shown where one fails. As with runc and crun one without an environment of its own has that of whoever starts it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

// Takes a signal that waits and would end the command: for somebody who holds them (signals.h) while hooks take their time. Whether there was one.
bool take_calling_off() noexcept;

class ContainerHooks {
 public:
  // `bundle`: an absolute path, with config.json in it: from there hooks know the root. The description's time limit counts from now on, for hooks too.
  ContainerHooks(const Spec& spec, std::string id, std::string bundle);

  using Clock = std::chrono::steady_clock;
  // When the time limit is over; nothing where there is none.
  std::optional<Clock::time_point> due() const noexcept { return due_; }

  bool any() const noexcept { return !hooks_.empty(); }
  bool any(Hook::Stage stage) const noexcept;
  const std::vector<Hook>& all() const noexcept { return hooks_; }

  // The container's state at that stage, as JSON. `pid`: of its first process as the hook sees it. Pure.
  std::string state(Hook::Stage stage, pid_t pid) const;
  // It as a file that hooks read; for whoever may make none any more when their time has come.
  Result<Fd> input(Hook::Stage stage, pid_t pid) const;

  // Those of a stage, up to the first that fails; success where there is none. An error is one sentence with its path and what it said. One that takes
  // longer than its time is killed: ETIMEDOUT; one that somebody calls off, EINTR. What a hook leaves running in the background is not waited for.
  Result<void> run(Hook::Stage stage, pid_t pid) const;
  // `allow` is asked of each just before it is run.
  Result<void> run(Hook::Stage stage, FdRef input, const std::function<Result<void>(const Hook&)>& allow) const;
  // After the container: every one is run, and what goes wrong is a warning; one that somebody calls off too.
  void run_poststop() const;

 private:
  Result<void> run_one(const Hook& hook, FdRef input) const;
  std::optional<Clock::time_point> due_of(const Hook& hook) const;
  std::string directory(Hook::Stage stage) const;
  std::vector<Hook> hooks_;
  std::string id_, bundle_, rootfs_;
  std::optional<Clock::time_point> due_;
  std::vector<std::string> env_;  // of the container
  std::vector<std::pair<std::string, std::string>> annotations_;
};

}  // namespace acetate::sandbox
