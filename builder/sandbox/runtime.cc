#include "builder/sandbox/runtime.h"

#include <nlohmann/json.hpp>

#include "base/sys/dir.h"
#include "base/sys/file.h"

namespace acetate::sandbox {

namespace {

constexpr const char* kState = "state";
constexpr const char* kLog = "runtime.log";
constexpr const char* kPidFile = "pid";

std::vector<std::string> command_head(const Runtime& runtime) {
  // Paths relative to the bundle, where it is started: a socket's path may not be long.
  return {runtime.program, "--root", kState, "--log", kLog, "--log-format", "json"};
}

}  // namespace

std::string Invocation::pid_file() const { return fmt::format("{}/{}", bundle, kPidFile); }

Result<void> make_bundle(const Invocation& invocation, const std::string& config) {
  const Fd dir = TRY(sys::open(invocation.bundle, O_PATH | O_DIRECTORY));
  for (const char* name : {kLog, kPidFile})
    if (auto gone = sys::unlink({dir.ref(), name}); !gone && !gone.error().is(ENOENT)) return gone;
  const Fd file = TRY(sys::open({dir.ref(), "config.json"}, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
  return sys::write_full(file.ref(), std::string_view(config));
}

sys::Command run_command(const Runtime& runtime, const Invocation& invocation) {
  sys::Command command{.argv = command_head(runtime), .cwd = invocation.bundle, .die_with_parent = true};
  for (const char* word : {"run", "--bundle", "."}) command.argv.emplace_back(word);
  command.argv.insert(command.argv.end(), {"--pid-file", kPidFile});
  if (invocation.kept) command.argv.emplace_back("--no-subreaper");
  command.argv.push_back(invocation.id);
  return command;
}

bool has_started(const Runtime& runtime, const Invocation& invocation) {
  if (runtime.program.ends_with("crun")) return false;
  return sys::stat(FileAt{kWorkingDir, invocation.pid_file().c_str()}).has_value();
}

std::optional<std::string> runtime_complaint(const Invocation& invocation) {
  const auto text = sys::read_file(invocation.bundle + "/" + kLog, 1 << 20);
  if (!text) return std::nullopt;
  for (std::size_t at = 0; at < text->size();) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    const auto line = nlohmann::json::parse(text->begin() + static_cast<std::ptrdiff_t>(at),
                                            text->begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    at = end + 1;
    if (!line.is_object() || !line.contains("msg") || !line["msg"].is_string()) continue;
    const std::string level = line.contains("level") && line["level"].is_string() ? line["level"] : "error";
    if (level == "error" || level == "fatal") return line["msg"].get<std::string>();
  }
  return std::nullopt;
}

Result<void> remove_container(const Runtime& runtime, const Invocation& invocation) {
  const std::string state = fmt::format("{}/{}/{}", invocation.bundle, kState, invocation.id);
  if (!sys::stat(FileAt{kWorkingDir, state.c_str()})) return {};
  sys::Command command{.argv = command_head(runtime), .cwd = invocation.bundle};
  for (const std::string& word : {std::string("delete"), std::string("--force"), invocation.id})
    command.argv.push_back(word);
  const auto ran = TRY_WITHIN(sys::run_captured(command), "removing the container {}", invocation.id);
  if (!ran.exit.ok()) return fail(EBUSY, "{} delete --force {} {}: {}", runtime.program, invocation.id, ran.exit.describe(), ran.err);
  return {};
}

Result<void> remove_abandoned(const std::string& bundle) {
  auto state = sys::open(bundle + "/" + kState, O_RDONLY | O_DIRECTORY);
  if (!state && state.error().is(ENOENT)) return {};
  const Fd dir = TRY(std::move(state));
  std::vector<std::string> ids;
  TRY(sys::read_dir(dir.ref(), [&](const sys::DirEntry& entry) {
    ids.emplace_back(entry.name);
    return true;
  }));
  if (ids.empty()) return {};
  const Runtime runtime = TRY(choose_runtime());
  for (const std::string& id : ids) TRY(remove_container(runtime, {.bundle = bundle, .id = id}));
  return {};
}

}  // namespace acetate::sandbox
