// The OCI runtime we hand processes to: which one, and how it is called.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/sys/process.h"
#include "base/sys/userns.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

struct Runtime {
  std::string program;  // absolute
  // Whether it can run a container in a user namespace below ours, which takes from the container's root what
  // would reach our mounts and daemons. Empty maps: it cannot, or we are real root, whose ids we keep.
  std::vector<sys::IdRange> child_uids = {}, child_gids = {};
  bool native = false;      // no program: our own launcher (native.h)
  bool bound_proc = false;  // it may not mount a new proc: ours is bound instead, and the pids are ours
  bool records_owners = false;  // with one id: its filter can ask an OwnerRecorder
  bool sets_hostname = true;  // false: a filter around us refuses sethostname(2), and a container is called what we are
};

// find_runtime() with everything that was found out. With a `memo` file the answer is kept there for as long as this
// boot, these ids and the programs are the same: trying costs as much as running. Remove the file to have it tried anew.
Result<Runtime> choose_runtime(const std::string& memo = {});
// One of them by name ("native" is our own launcher), really tried; why it does not work in words. Inside the holder.
Result<Runtime> try_runtime(const std::string& name);

// What a description has to know of the choice.
void apply(const Runtime& runtime, Surroundings& surroundings);

// One container in one bundle directory (config.json in it).
struct Invocation {
  std::string bundle;
  std::string id;
  bool kept = false;  // a keeper is over the runtime (keeper.h): it adopts what the command leaves, and is told whom to watch
  std::string pid_file() const;
};
// Writes config.json into the bundle, and forgets what an earlier container in it left.
Result<void> make_bundle(const Invocation& invocation, const std::string& config);
sys::Command run_command(const Runtime& runtime, const Invocation& invocation);

// Whether the container's command is known to have been executed: runc notes its process then. crun does so when it begins to
// start it, but logs no error of what comes after the command.
bool has_started(const Runtime& runtime, const Invocation& invocation);
// The first error that the runtime logged: why the container did not start, or what went wrong after its command.
std::optional<std::string> runtime_complaint(const Invocation& invocation);

// Forces away a container that is still known after its runtime ended (killed, or crashed).
Result<void> remove_container(const Runtime& runtime, const Invocation& invocation);

// The same for all that a bundle of a killed owner still knows. Their processes are gone with the owner's pid
// namespace; what is left are the cgroups that real root's containers have.
Result<void> remove_abandoned(const std::string& bundle);

}  // namespace acetate::sandbox
