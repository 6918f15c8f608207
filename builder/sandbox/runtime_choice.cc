// Which runtime works here: found by running the smallest container there is.
#include <unistd.h>

#include <cstdlib>
#include <mutex>

#include "base/log.h"
#include "base/sys/file.h"
#include "builder/sandbox/runtime.h"
#include "builder/sandbox/scratch.h"
#include "builder/sandbox/spec.h"
#include "builder/sandbox/surroundings.h"
#include "builder/sandbox/tiny_program.h"

namespace acetate::sandbox {

namespace {

// A map of our own ids onto themselves, one line for each line of ours: a range may not span two.
std::vector<sys::IdRange> onto_themselves(std::vector<sys::IdRange> map) {
  for (auto& range : map) range.outside = range.inside;
  return map;
}

Result<void> make_tiny_root(const std::string& root) {
  for (const char* name : {"", "/dev", "/proc", "/sys"}) TRY(sys::make_dirs(root + name, 0755));
  const std::string program = TRY(tiny_program());
  const std::string path = root + "/tiny";
  const Fd file = TRY_WITHIN(sys::open(path, O_WRONLY | O_CREAT | O_EXCL, 0755), "writing {}", path);
  TRY(sys::write_full(file.ref(), program));
  return sys::chmod(file.ref(), 0755);
}

// Runs the smallest container with it; why it does not work in words.
Result<void> try_out(const Runtime& runtime, IdMode ids) {
  const Scratch scratch = TRY(Scratch::temporary());
  TRY(make_tiny_root(scratch / "root"));
  Spec spec{.rootfs = scratch / "root", .argv = {"/tiny"}, .hostname = "probe", .ids = ids};
  spec.capabilities = run_capabilities();
  spec.surroundings = TRY(look_around());
  spec.surroundings.child_uids = runtime.child_uids;
  spec.surroundings.child_gids = runtime.child_gids;
  const Invocation invocation{.bundle = scratch.path(), .id = fmt::format("acetate-probe-{}", ::getpid())};
  TRY(make_bundle(invocation, TRY(to_oci_config(spec))));
  sys::Command command = run_command(runtime, invocation);
  const Fd nothing = TRY(sys::open("/dev/null", O_RDONLY));
  command.fds.push_back({nothing.ref(), 0});
  const sys::Captured ran = TRY(sys::run_captured(command));
  TRY(remove_container(runtime, invocation));
  if (ran.exit.ok()) return {};
  if (auto said = runtime_complaint(invocation)) return fail(EIO, "{}", *said);
  std::string words = ran.err;
  while (words.ends_with('\n')) words.pop_back();
  return fail(EIO, "{}{}{}", ran.exit.describe(), words.empty() ? "" : ": ", words);
}

Result<Runtime> try_program(const std::string& name) {
  auto program = sys::find_program(name);
  if (!program) return fail(ENOENT, "not installed");
  Runtime flat{.program = *std::move(program)};
  const auto uids = TRY(sys::current_uid_map());
  // An image's files belong to ids; with one id everybody is root.
  std::uint64_t count = 0;
  for (const auto& range : uids) count += range.count;
  const IdMode ids = count == 1 ? IdMode::single : IdMode::range;
  if (!TRY(is_real_root())) {
    Runtime nested = flat;
    nested.child_uids = onto_themselves(uids);
    nested.child_gids = onto_themselves(TRY(sys::current_gid_map()));
    auto tried = try_out(nested, ids);
    if (tried) return nested;
    log::info("{} runs no container in a user namespace of its own: {}", name, tried.error().message());
  }
  TRY(try_out(flat, ids));
  return flat;
}

Result<Runtime> choose() {
  const char* wanted = ::getenv("ACETATE_RUNTIME");
  if (wanted != nullptr && *wanted != '\0') {
    auto tried = try_program(wanted);
    if (!tried) return std::move(tried).error().within(fmt::format("the runtime {} (from ACETATE_RUNTIME) does not work here", wanted));
    return tried;
  }
  std::string complaints;
  for (const char* name : {"runc", "crun"}) {
    auto tried = try_program(name);
    if (tried) return tried;
    complaints += fmt::format("\n  {}: {}", name, tried.error().message());
  }
  return fail(ENOENT, "no OCI runtime works here (apt install runc, or name one in ACETATE_RUNTIME):{}", complaints);
}

}  // namespace

Result<Runtime> choose_runtime() {
  static std::mutex mutex;
  static std::optional<Runtime> chosen;
  const std::lock_guard lock(mutex);
  if (!chosen) chosen = TRY(choose());
  return *chosen;
}

Result<std::string> find_runtime() { return TRY(choose_runtime()).program; }

}  // namespace acetate::sandbox
