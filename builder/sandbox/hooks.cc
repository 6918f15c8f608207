#include "builder/sandbox/hooks.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <span>

#include "base/log.h"
#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/memory.h"
#include "base/sys/process.h"
#include "builder/sandbox/signals.h"

namespace acetate::sandbox {

namespace {

using Json = nlohmann::ordered_json;
using Clock = ContainerHooks::Clock;

// runtime-spec runtime.md#state; "creating" is runc's and crun's word for what is not created yet.
const char* status(Hook::Stage stage) {
  switch (stage) {
    case Hook::Stage::prestart:
    case Hook::Stage::create_runtime:
    case Hook::Stage::create_container: return "creating";
    case Hook::Stage::start_container: return "created";
    case Hook::Stage::poststart: return "running";
    case Hook::Stage::poststop: break;
  }
  return "stopped";
}

// What a hook says, as far as anybody will read it.
class Listener {
 public:
  explicit Listener(Fd pipe) : pipe_(std::move(pipe)) {}
  bool at_end() const { return !pipe_; }
  const std::string& said() const { return said_; }

  // False after so long without a word.
  Result<bool> hear(int milliseconds) {
    pollfd watched{pipe_ ? pipe_.ref().fd : -1, POLLIN, 0};
    const int ready = TRY(sys::checked(sys::Call::poll, [&] { return ::poll(&watched, 1, milliseconds); }));
    if (ready == 0) return false;
    std::array<char, 4096> buffer;
    const std::size_t count = TRY(sys::read(pipe_.ref(), std::as_writable_bytes(std::span(buffer))));
    if (count == 0) pipe_.reset();
    if (said_.size() < kMost) said_.append(buffer.data(), std::min(count, kMost - said_.size()));
    return count > 0;
  }

 private:
  static constexpr std::size_t kMost = 64 << 10;
  Fd pipe_;
  std::string said_;
};

// Its end is asked for every so often and not waited for: a filter of the container's may refuse pidfd_open(2), and what it leaves in the background
// keeps the pipe open. The pipe's end, which is most often that of the hook, is seen at once.
Result<std::optional<sys::Exit>> attend(sys::Child& child, Listener& listener, std::optional<Clock::time_point> due) {
  constexpr int kTick = 50;  // milliseconds
  int tick_after_end = 1;
  for (;;) {
    if (auto exit = TRY(child.poll())) {
      while (!listener.at_end() && TRY(listener.hear(0))) {
      }
      return exit;
    }
    if (due && Clock::now() >= *due) return std::optional<sys::Exit>();
    if (take_calling_off()) return fail(EINTR, "called off by a signal");
    TRY(listener.hear(listener.at_end() ? tick_after_end : kTick));
    if (listener.at_end()) tick_after_end = std::min(2 * tick_after_end, kTick);
  }
}

// One line, the end of what it said.
std::string last_words(std::string_view said) {
  constexpr std::size_t kMost = 1000;
  std::string words;
  for (const char c : said.size() > kMost ? said.substr(said.size() - kMost) : said) words += c == '\n' || c == '\r' ? ' ' : c;
  words.erase(0, std::min(words.find_first_not_of(' '), words.size()));
  words.erase(words.find_last_not_of(' ') + 1);
  return words;
}

}  // namespace

bool take_calling_off() noexcept {
  sigset_t ending;
  sigemptyset(&ending);
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) sigaddset(&ending, signal);
  constexpr timespec kNow{};
  return take_handed_down(ending) || ::sigtimedwait(&ending, nullptr, &kNow) > 0;
}

ContainerHooks::ContainerHooks(const Spec& spec, std::string id, std::string bundle)
    : hooks_(spec.hooks), id_(std::move(id)), bundle_(std::move(bundle)), rootfs_(spec.rootfs), env_(spec.env), annotations_(spec.annotations) {
  if (spec.time_limit) due_ = Clock::now() + std::chrono::seconds(*spec.time_limit);
}

// What comes after the container is not part of its time.
std::optional<ContainerHooks::Clock::time_point> ContainerHooks::due_of(const Hook& hook) const {
  std::optional<Clock::time_point> due;
  if (hook.stage != Hook::Stage::poststop) due = due_;
  if (!hook.timeout) return due;
  const auto own = Clock::now() + std::chrono::seconds(*hook.timeout);
  return due ? std::min(*due, own) : own;
}

bool ContainerHooks::any(Hook::Stage stage) const noexcept {
  return std::ranges::any_of(hooks_, [&](const Hook& hook) { return hook.stage == stage; });
}

std::string ContainerHooks::state(Hook::Stage stage, pid_t pid) const {
  Json state{{"ociVersion", "1.0.2"}, {"id", id_}, {"status", status(stage)}};
  if (stage != Hook::Stage::poststop) state["pid"] = pid;
  state["bundle"] = bundle_;
  for (const auto& [name, value] : annotations_) state["annotations"][name] = value;
  return state.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Fd> ContainerHooks::input(Hook::Stage stage, pid_t pid) const {
  Fd file = TRY_WITHIN(sys::memory_file("state"), "the state for hooks");
  TRY(sys::write_full(file.ref(), std::string_view(state(stage, pid))));
  TRY(sys::seal(file.ref()));
  return file;
}

// As runc has it. A hook in the container begins where its command does.
std::string ContainerHooks::directory(Hook::Stage stage) const {
  if (stage == Hook::Stage::start_container) return {};
  return stage == Hook::Stage::create_container ? rootfs_ : bundle_;
}

Result<void> ContainerHooks::run_one(const Hook& hook, FdRef input) const {
  const auto fails = [&](int code, std::string_view how, const std::string& words) {
    return fail(code, "the {} hook {} {}{}{}", name_of(hook.stage), hook.path, how, words.empty() ? "" : ": ", words);
  };
  TRY(sys::lseek(input, 0, SEEK_SET));
  sys::Pipe pipe = TRY(sys::make_pipe());
  sys::Command command{.argv = hook.args, .program = hook.path, .env = hook.env, .cwd = directory(hook.stage), .die_with_parent = true};
  if (command.argv.empty()) command.argv.push_back(hook.path);
  if (!command.env && hook.stage == Hook::Stage::start_container) command.env = env_;
  command.fds = {{input, 0}, {pipe.write.ref(), 1}, {pipe.write.ref(), 2}};
  auto spawned = sys::spawn(command);
  if (!spawned) return fails(spawned.error().code(), "cannot be executed", Error(spawned.error().code()).message());
  sys::Child child = *std::move(spawned);
  pipe.write.reset();
  Listener listener(std::move(pipe.read));
  const auto due = due_of(hook);
  const auto exit = TRY_WITHIN(attend(child, listener, due), "the {} hook {}", name_of(hook.stage), hook.path);
  const std::string words = last_words(listener.said());
  // The child is killed as it goes.
  if (!exit && due == due_) return fails(ETIMEDOUT, "took longer than the container may (--timeout)", words);
  if (!exit) return fails(ETIMEDOUT, fmt::format("took longer than its {} s", *hook.timeout), words);
  if (!exit->ok()) return fails(ECANCELED, exit->describe(), words);
  if (!words.empty()) log::info("the {} hook {}: {}", name_of(hook.stage), hook.path, words);
  return {};
}

Result<void> ContainerHooks::run(Hook::Stage stage, FdRef input, const std::function<Result<void>(const Hook&)>& allow) const {
  for (const Hook& hook : hooks_) {
    if (hook.stage != stage) continue;
    TRY(allow(hook));
    TRY(run_one(hook, input));
  }
  return {};
}

Result<void> ContainerHooks::run(Hook::Stage stage, pid_t pid) const {
  if (!any(stage)) return {};
  const Fd state = TRY(input(stage, pid));
  return run(stage, state.ref(), [](const Hook&) { return Result<void>(); });
}

void ContainerHooks::run_poststop() const {
  if (!any(Hook::Stage::poststop)) return;
  const auto state = input(Hook::Stage::poststop, 0);
  if (!state) return log::warn("{}", state.error().message());
  for (const Hook& hook : hooks_)
    if (hook.stage == Hook::Stage::poststop)
      if (auto ran = run_one(hook, state->ref()); !ran) log::warn("{}", ran.error().message());
}

}  // namespace acetate::sandbox
