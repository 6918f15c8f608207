// Which runtime works here: found by running the smallest container there is.
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>

#include "base/log.h"
#include "base/sys/file.h"
#include "builder/sandbox/id_maps.h"
#include "builder/sandbox/memory_fs.h"
#include "builder/sandbox/native.h"
#include "builder/sandbox/owner_recorder.h"
#include "builder/sandbox/runtime.h"
#include "builder/sandbox/runtime_memo.h"
#include "builder/sandbox/scratch.h"
#include "builder/sandbox/spec.h"
#include "builder/sandbox/surroundings.h"
#include "builder/sandbox/tiny_program.h"

namespace acetate::sandbox {

namespace {

constexpr const char* kNative = "native";

// Whether nothing can be executed that lies in it.
Result<bool> forbids_execution(const std::string& dir) {
  const Fd at = TRY(sys::open(dir, O_PATH | O_DIRECTORY));
  return (static_cast<unsigned long>(TRY(sys::statfs(at.ref())).f_flags) & ST_NOEXEC) != 0;
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
  std::optional<MemoryFs> executable;
  if (TRY(forbids_execution(scratch.path()))) {
    TRY(sys::make_dirs(scratch / "root", 0755));
    executable.emplace(TRY(MemoryFs::mount(scratch / "root")));
  }
  TRY(make_tiny_root(scratch / "root"));
  Spec spec{.rootfs = scratch / "root", .argv = {"/tiny"}, .hostname = "probe", .ids = ids};
  spec.capabilities = run_capabilities();
  spec.surroundings = TRY(look_around());
  apply(runtime, spec.surroundings);
  if (!runtime.sets_hostname) spec.hostname.clear();
  std::unique_ptr<OwnerRecorder> owners;
  if (runtime.records_owners) {
    const Fd root = TRY(sys::open(spec.rootfs, O_PATH | O_DIRECTORY));
    owners = TRY(record_owners(spec, root.ref(), scratch.path(), runtime.native));
  }
  const Fd nothing = TRY(sys::open("/dev/null", O_RDWR));
  const Stdio quiet{.in = nothing.ref(), .out = nothing.ref(), .err = nothing.ref()};
  if (runtime.native) {
    const auto exit = TRY(run_native(spec, TRY(to_oci_config(spec)), quiet, owners.get()));
    return exit.ok() ? Result<void>() : Result<void>(fail(EIO, "{}", exit.describe()));
  }
  const Invocation invocation{.bundle = scratch.path(), .id = fmt::format("acetate-probe-{}", ::getpid())};
  TRY(make_bundle(invocation, TRY(to_oci_config(spec))));
  sys::Command command = run_command(runtime, invocation);
  command.fds.push_back({nothing.ref(), 0});
  const sys::Captured ran = TRY(sys::run_captured(command));
  TRY(remove_container(runtime, invocation));
  if (ran.exit.ok()) return {};
  if (auto said = runtime_complaint(invocation)) return fail(EIO, "{}", *said);
  std::string words = ran.err;
  while (words.ends_with('\n')) words.pop_back();
  return fail(EIO, "{}{}{}", ran.exit.describe(), words.empty() ? "" : ": ", words);
}

// The ways to use one runtime, the best first: in a user namespace below ours, in ours, both with our /proc, and all of that without a
// host name of its own, which the filter of podman's and docker's containers refuses.
Result<std::vector<Runtime>> ways(const Runtime& plain) {
  std::vector<Runtime> all;
  if (!TRY(is_real_root())) {
    Runtime nested = plain;
    nested.child_uids = onto_themselves(TRY(sys::current_uid_map()));
    nested.child_gids = onto_themselves(TRY(sys::current_gid_map()));
    all.push_back(nested);
  }
  all.push_back(plain);
  for (std::size_t i = 0, n = all.size(); i < n; ++i) {
    Runtime bound = all[i];
    bound.bound_proc = true;
    all.push_back(std::move(bound));
  }
  for (std::size_t i = 0, n = all.size(); i < n; ++i) {
    Runtime nameless = all[i];
    nameless.sets_hostname = false;
    all.push_back(std::move(nameless));
  }
  return all;
}

// The same way, and owners are recorded if that works too.
Runtime with_owners(const Runtime& way) {
  Runtime asking = way;
  asking.records_owners = true;
  const auto tried = try_out(asking, IdMode::single);
  if (tried) return asking;
  log::info("whom files are given to is not recorded: {}", tried.error().message());
  return way;
}

// runc and crun name the call, we the thing.
bool tells_of_hostname(std::string_view complaint) {
  return complaint.find("hostname") != std::string_view::npos || complaint.find("host name") != std::string_view::npos;
}

Result<Runtime> try_program(const std::string& name) {
  Runtime plain{.program = name, .native = name == kNative};
  if (!plain.native) {
    auto program = sys::find_program(name);
    if (!program) return fail(ENOENT, "not installed");
    plain.program = *std::move(program);
  }
  // An image's files belong to ids; with one id everybody is root.
  const IdMode ids = count_ids(TRY(sys::current_uid_map())) == 1 ? IdMode::single : IdMode::range;
  std::string complaint;
  bool hostname_refused = false;
  for (const Runtime& way : TRY(ways(plain))) {
    if (!way.sets_hostname && !hostname_refused) continue;  // that is not what is wrong
    auto tried = try_out(way, ids);
    if (tried) return ids == IdMode::single ? with_owners(way) : way;
    hostname_refused = hostname_refused || tells_of_hostname(tried.error().message());
    log::info("{}{}{}{} runs no container: {}", name, way.child_uids.empty() ? "" : " in a user namespace of its own",
              way.bound_proc ? " with our /proc" : "", way.sets_hostname ? "" : " with our host name", tried.error().message());
    if (complaint.empty() || (!way.bound_proc && way.sets_hostname)) complaint = tried.error().message();
  }
  return fail(EIO, "{}", complaint);
}

Result<Runtime> choose() {
  const char* wanted = ::getenv("ACETATE_RUNTIME");
  if (wanted != nullptr && *wanted != '\0') {
    auto tried = try_program(wanted);
    if (!tried) return std::move(tried).error().within(fmt::format("the runtime {} (from ACETATE_RUNTIME) does not work here", wanted));
    return tried;
  }
  std::string complaints;
  for (const char* name : {"runc", "crun", kNative}) {
    auto tried = try_program(name);
    if (tried) return tried;
    complaints += fmt::format("\n  {}: {}", name, tried.error().message());
  }
  return fail(ENOENT, "no OCI runtime works here (apt install runc, or name one in ACETATE_RUNTIME):{}", complaints);
}

}  // namespace

Result<Runtime> try_runtime(const std::string& name) { return try_program(name); }

void apply(const Runtime& runtime, Surroundings& surroundings) {
  surroundings.child_uids = runtime.child_uids;
  surroundings.child_gids = runtime.child_gids;
  surroundings.bound_proc = runtime.bound_proc;
}

Result<Runtime> choose_runtime(const std::string& memo) {
  static std::mutex mutex;
  static std::optional<Runtime> chosen;
  const std::lock_guard lock(mutex);
  if (chosen) return *chosen;
  const std::string conditions = memo.empty() ? std::string() : TRY(describe_conditions());
  if (!memo.empty()) chosen = recall_runtime(memo, conditions);
  if (chosen) return *chosen;
  chosen = TRY(choose());
  if (!memo.empty()) remember_runtime(memo, conditions, *chosen);
  return *chosen;
}

Result<std::string> find_runtime() { return TRY(choose_runtime()).program; }

}  // namespace acetate::sandbox
