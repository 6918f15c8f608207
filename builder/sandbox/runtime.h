// The OCI runtime we hand processes to: which one, and how it is called.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/sys/process.h"
#include "base/sys/userns.h"

namespace acetate::sandbox {

struct Runtime {
  std::string program;  // absolute
  // Whether it can run a container in a user namespace below ours, which takes from the container's root what
  // would reach our mounts and daemons. Empty maps: it cannot, or we are real root, whose ids we keep.
  std::vector<sys::IdRange> child_uids, child_gids;
};

// find_runtime() with everything that was found out.
Result<Runtime> choose_runtime();

// One container in one bundle directory (config.json in it).
struct Invocation {
  std::string bundle;
  std::string id;
};
// Writes config.json into the bundle, and forgets what an earlier container in it left.
Result<void> make_bundle(const Invocation& invocation, const std::string& config);
sys::Command run_command(const Runtime& runtime, const Invocation& invocation);

// What the runtime logged as its error while starting; nothing when the process itself ran.
std::optional<std::string> runtime_complaint(const Invocation& invocation);

// Forces away a container that is still known after its runtime ended (killed, or crashed).
Result<void> remove_container(const Runtime& runtime, const Invocation& invocation);

// The same for all that a bundle of a killed owner still knows. Their processes are gone with the owner's pid
// namespace; what is left are the cgroups that real root's containers have.
Result<void> remove_abandoned(const std::string& bundle);

}  // namespace acetate::sandbox
