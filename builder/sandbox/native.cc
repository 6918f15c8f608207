#include "builder/sandbox/native.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <span>

#include "base/log.h"
#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/unix_socket.h"
#include "base/sys/userns.h"
#include "builder/sandbox/delegated_cgroup.h"
#include "builder/sandbox/native_child.h"
#include "builder/sandbox/seccomp_program.h"
#include "builder/sandbox/signals.h"
#include "builder/sandbox/surroundings.h"
#include "builder/sandbox/terminal_relay.h"

namespace acetate::sandbox {

namespace {

using Json = nlohmann::ordered_json;

int namespaces_of(const Json& config) {
  static const std::pair<const char*, int> kKinds[] = {{"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID}, {"ipc", CLONE_NEWIPC},
                                                       {"uts", CLONE_NEWUTS},  {"network", CLONE_NEWNET}, {"cgroup", CLONE_NEWCGROUP}};
  int flags = 0;
  for (const Json& each : config["linux"]["namespaces"])
    for (const auto& [name, flag] : kKinds)
      if (each["type"] == name && !each.contains("path")) flags |= flag;
  return flags;
}

// The container's first process as a child of ours: the one between is there because a fork in a program with threads may do
// nothing but become somebody else, and because namespaces are entered by a process with one thread.
Result<pid_t> start(const Json& config, const NativeChild& child, NativePipes& pipes) {
  const pid_t between = TRY(sys::checked(sys::Call::clone, [] { return ::fork(); }));
  if (between == 0) {
    // Before its cgroup namespace is made, which begins where it is.
    if (child.spec.limited_cgroup)
      if (auto entered = enter_cgroup(child.spec.limited_cgroup); !entered) {
        tell_failure(pipes.failed.write.ref(), {NativeStage::cgroup, entered.error().code()});
        ::_exit(1);
      }
    const auto pid = sys::fork_into(namespaces_of(config) | CLONE_PARENT);
    if (!pid) {
      tell_failure(pipes.failed.write.ref(), {NativeStage::namespaces, pid.error().code()});
      ::_exit(1);
    }
    if (*pid == 0) become_container(child, pipes);
    static_cast<void>(sys::write_full(pipes.pid.write.ref(), std::as_bytes(std::span(&*pid, 1))).has_value());
    ::_exit(0);
  }
  sys::Child shim(between);
  pipes.pid.write.reset();
  pid_t pid = 0;
  const std::size_t got = TRY(sys::read(pipes.pid.read.ref(), std::as_writable_bytes(std::span(&pid, 1))));
  TRY(shim.wait());
  return got == sizeof pid ? pid : pid_t{0};
}

Result<Attended> attend(const Json& config, const NativeChild& child, NativePipes& pipes) {
  const auto begin = [&] { return start(config, child, pipes); };
  if (child.spec.surroundings.shares_pids()) return Attended::keep({.start = begin});
  const pid_t pid = TRY(begin());
  return pid > 0 ? Attended(sys::Child(pid)) : Attended();
}

std::string format_map(const Json& map) {
  std::string text;
  for (const Json& line : map)
    text += fmt::format("{} {} {}\n", line["containerID"].get<std::uint32_t>(), line["hostID"].get<std::uint32_t>(), line["size"].get<std::uint32_t>());
  return text;
}

// Done from here: whoever writes a map must have the ids it leads to.
Result<void> write_maps(pid_t pid, const Json& linux_part) {
  for (const auto& [file, key] : {std::pair{"uid_map", "uidMappings"}, std::pair{"gid_map", "gidMappings"}}) {
    const std::string path = fmt::format("/proc/{}/{}", pid, file);
    const Fd map = TRY_WITHIN(sys::open(path, O_WRONLY), "{}", path);
    TRY_WITHIN(sys::write_full(map.ref(), format_map(linux_part[key])), "writing {}", path);
  }
  return {};
}

// Until there is something to read, or the other end is gone. Hooks may take their time, and nobody else looks for signals yet.
Result<void> await(FdRef pipe, const ContainerHooks& hooks) {
  constexpr int kTick = 50;  // milliseconds
  while (!TRY(sys::wait_readable(pipe, kTick))) {
    if (take_calling_off()) return fail(EINTR, "starting the container: called off by a signal while its hooks were running");
    if (hooks.due() && ContainerHooks::Clock::now() >= *hooks.due()) return fail(ETIMEDOUT, "starting the container: its time (--timeout) was over while its hooks were running");
  }
  return {};
}

// What is left of it for the container, in whole seconds.
std::optional<TimeLimit> rest_of(const ContainerHooks& hooks, const Spec& spec) {
  if (!hooks.due()) return std::nullopt;
  const auto left = std::chrono::ceil<std::chrono::seconds>(*hooks.due() - ContainerHooks::Clock::now()).count();
  return TimeLimit{.seconds = static_cast<int>(std::max<std::int64_t>(left, 0)), .signal = spec.stop_signal, .grace = spec.stop_grace};
}

// Those that the container waits for with its mounts made; and then its own, before its root is entered. One that was made no further tells by `failed`.
Result<void> run_hooks_outside(const ContainerHooks& hooks, pid_t pid, NativePipes& pipes) {
  if (!hooks.any() || pid == 0) return {};
  std::byte ready{};
  if (TRY(sys::read(pipes.ready.read.ref(), std::span(&ready, 1))) == 0) return {};
  for (const auto stage : {Hook::Stage::prestart, Hook::Stage::create_runtime}) TRY_WITHIN(hooks.run(stage, pid), "starting the container");
  static_cast<void>(sys::send_full(pipes.go.one.ref(), "\n").has_value());  // gone: `failed` tells
  TRY(await(pipes.ready.read.ref(), hooks));
  static_cast<void>(TRY(sys::read(pipes.ready.read.ref(), std::span(&ready, 1))));
  return {};
}

// When the container is gone, however that came about.
struct AfterContainer {
  const ContainerHooks& hooks;
  bool made = false;
  ~AfterContainer() {
    if (made) hooks.run_poststop();
  }
};

Result<sys::Exit> explain(const NativeFailure& failure, const Spec& spec) {
  const Error error(failure.code);
  if (failure.stage == NativeStage::hooks && *failure.what != '\0') return fail(failure.code, "starting the container: {}", failure.what);
  if (failure.stage == NativeStage::execute) {
    const bool absent = error.is(ENOENT) || error.is(ENOTDIR);
    log::error("{}: cannot be executed in the container: {}", spec.argv[0], error.message());
    return sys::Exit{.code = absent ? 127 : 126};
  }
  return fail(failure.code, "starting the container: {}{}{}: {}", name_of(failure.stage), *failure.what != '\0' ? " " : "",
              failure.what, error.message());
}

}  // namespace

Result<sys::Exit> run_native(const Spec& spec, const std::string& text, Stdio stdio, OwnerRecorder* owners, const Invocation& invocation) {
  const Json config = Json::parse(text);  // our own
  const bool own_users = config["linux"].contains("uidMappings");
  std::string filter;
  if (config["linux"].contains("seccomp")) filter = TRY(seccomp_program(config["linux"]["seccomp"]));
  const ContainerHooks hooks(spec, invocation.id, invocation.bundle);
  NativeChild child{.spec = spec,
                    .config = config,
                    .filter = std::move(filter),
                    .filter_asks = owners != nullptr,
                    .stdio = stdio,
                    .own_users = own_users,
                    .hooks = hooks,
                    .no_devices = spec.surroundings.real_root};
  NativePipes pipes = TRY(make_native_pipes());
  std::optional<TerminalMode> mode;
  if (spec.terminal) mode.emplace(TRY(TerminalMode::keep(stdio.in ? stdio.in : FdRef{0})));
  const HeldSignals signals(spec.ending ? HeldSignals::Which::of_children : HeldSignals::Which::all);
  AfterContainer after{hooks};
  Attended container = TRY_WITHIN(attend(config, child, pipes), "starting the container");
  const pid_t pid = container.pid();
  pipes.pid = {};
  pipes.failed.write.reset();
  pipes.ready.write.reset();
  pipes.go.other.reset();
  pipes.terminal.other.reset();
  pipes.owners.other.reset();
  after.made = pid > 0;
  TRY(run_hooks_outside(hooks, pid, pipes));

  if (own_users && pid > 0) {
    std::byte ready{};
    if (TRY(sys::read(pipes.ready.read.ref(), std::span(&ready, 1))) == 1) TRY_WITHIN(write_maps(pid, config["linux"]), "mapping the container's ids");
  }
  pipes.ready.read.reset();
  static_cast<void>(sys::send_full(pipes.go.one.ref(), "\n").has_value());  // gone: `failed` tells
  std::optional<TerminalRelay> relay;
  if (spec.terminal && pid > 0)
    if (auto master = sys::receive_fd(pipes.terminal.one.ref())) {
      relay.emplace(*std::move(master), stdio, *mode);
    }
  // Its last act before it executes; a container that failed before has sent none, and `failed` tells.
  if (owners != nullptr && pid > 0)
    if (auto listener = sys::receive_fd(pipes.owners.one.ref())) TRY(owners->answer(*std::move(listener)));
  if (hooks.any()) TRY(await(pipes.failed.read.ref(), hooks));
  NativeFailure failure{};
  const std::size_t told = TRY(sys::read(pipes.failed.read.ref(), std::as_writable_bytes(std::span(&failure, 1))));
  if (told == sizeof failure) {
    if (container) TRY(container.wait());
    if (relay) relay->finish();
    failure.what[sizeof failure.what - 1] = '\0';
    return explain(failure, spec);
  }
  if (auto ran = hooks.run(Hook::Stage::poststart, pid); !ran) {
    container = {};  // killed
    if (relay) relay->finish();
    return std::move(ran).error().within("starting the container");
  }
  const auto limit = rest_of(hooks, spec);
  return relay ? relay->wait(signals, container, limit) : wait_watching(signals, container, limit, {.end = spec.ending, .first = SIGKILL}, Group::its_own);
}

}  // namespace acetate::sandbox
