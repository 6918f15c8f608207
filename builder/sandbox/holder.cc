#include "builder/sandbox/any_holder.h"

#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <optional>
#include <span>

#include "base/sys/file.h"
#include "builder/sandbox/holder_init.h"
#include "builder/sandbox/signals.h"
#include "builder/sandbox/userns_refusal.h"

namespace acetate::sandbox {

namespace {

Error explain(const HolderPlan& plan, const HolderFailure& failure) {
  switch (failure.stage) {
    case HolderStage::clone:
    case HolderStage::mounts:
      if (plan.mode != IdMode::none) return explain_userns_refusal(failure.code, read_sysctl);
      return Error(failure.code).within("making a mount namespace");
    case HolderStage::proc:
      return Error(failure.code)
          .within("mounting /proc anew (parts of it are masked by a container around us: podman run "
                  "--security-opt unmask=ALL, docker run --security-opt systempaths=unconfined)");
    case HolderStage::maps:
      return Error(failure.code).within("writing the id maps");
    case HolderStage::body:
      return Error(failure.code).within("starting a process in the new namespaces");
  }
  return Error(failure.code);
}

Result<void> write_maps(const HolderPlan& plan, pid_t pid) {
  switch (plan.mode) {
    case IdMode::range:
      return sys::write_maps_with_helpers(pid, plan.uids, plan.gids);
    case IdMode::single:
      return sys::write_single_map(pid, ::geteuid(), ::getegid());
    case IdMode::none:
      return {};
  }
  return {};
}

// `started`: whether the body was reached, so that nobody runs it a second time.
Result<int> run(const HolderPlan& plan, const std::function<int()>& body, bool& started) {
  started = false;
  sys::Pipe go = TRY(sys::make_pipe());
  sys::Pipe failed = TRY(sys::make_pipe());
  // What is buffered would be written twice.
  std::cout.flush();
  std::cerr.flush();
  std::fflush(nullptr);

  HeldSignals signals;
  int namespaces = CLONE_NEWNS;
  if (plan.own_pids) namespaces |= CLONE_NEWPID;
  if (plan.mode != IdMode::none) namespaces |= CLONE_NEWUSER;
  auto forked = sys::fork_into(namespaces);
  if (!forked) return explain(plan, {HolderStage::clone, forked.error().code()});
  if (*forked == 0) {
    go.write.reset();
    failed.read.reset();
    be_holder({std::move(go.read), std::move(failed.write)}, signals, plan.own_pids, body);
  }

  Attended holder{sys::Child(*forked)};
  go.read.reset();
  failed.write.reset();
  TRY(write_maps(plan, holder.pid()));
  TRY(sys::write_full(go.write.ref(), std::string_view("\n")));
  HolderFailure failure{};
  const std::size_t told = TRY(sys::read(failed.read.ref(), std::as_writable_bytes(std::span(&failure, 1))));
  if (told == sizeof failure) {
    (void)holder.wait();
    return explain(plan, failure);
  }
  started = true;
  return TRY(wait_forwarding(signals, holder)).shell_code();
}

}  // namespace

Result<int> run_in_holder(const HolderPlan& plan, const std::function<int()>& body) {
  bool started = false;
  return run(plan, body, started);
}

namespace {

// With likely_plan(). Nothing where it cannot be set up: the body has not been started then.
std::optional<Result<int>> try_likely(const std::function<int(const HolderPlan&)>& body, bool own_pids) {
  HolderPlan plan = likely_plan();
  plan.own_pids = own_pids;
  bool started = false;
  auto ran = run(plan, [&] { return body(plan); }, started);
  if (ran || started) return ran;
  return std::nullopt;
}

}  // namespace

Result<int> run_in_a_holder(const std::function<int(const HolderPlan&)>& body, bool own_pids) {
  if (auto ran = try_likely(body, own_pids)) return *std::move(ran);
  HolderPlan plan = TRY(plan_holder());
  plan.own_pids = plan.own_pids && own_pids;
  return run_in_holder(plan, [&] { return body(plan); });
}

Result<int> run_in_a_holder_or_here(const std::function<int(const HolderPlan&)>& body) {
  if (auto ran = try_likely(body, true)) return *std::move(ran);
  const auto plan = plan_holder();
  if (!plan) return body(plan_without(plan.error()));
  return run_in_holder(*plan, [&] { return body(*plan); });
}

}  // namespace acetate::sandbox
