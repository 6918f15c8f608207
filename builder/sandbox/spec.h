// A process in a root filesystem, described before it exists. Plain data: the commands fill it, tests compare
// it, to_oci_config() turns it into a runtime-spec config.json and launch() is the only code that acts on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/sys/process.h"
#include "base/sys/userns.h"
#include "builder/sandbox/holder.h"

namespace acetate::sandbox {

struct MountPoint {
  enum class Kind { bind, tmpfs } kind = Kind::bind;
  std::string source;  // bind: an absolute path on the host
  std::string target;  // absolute, in the container
  bool writable = true;
  std::uint64_t size = 0;  // tmpfs: at most so many bytes; 0 is the kernel's default
  // Flags of the source's own mount, which a bind inside a user namespace must repeat: nosuid, nodev, noexec.
  // launch() finds them.
  std::vector<std::string> locked = {};
  bool has_submounts = false;  // of a bind: read-only must then reach them too; launch() finds out
};

enum class Network { host, none };

// What the description depends on that nobody wishes but the system has. launch() fills it in.
struct Surroundings {
  bool cgroup_v2 = false;    // the unified hierarchy alone
  bool fresh_sysfs = false;  // a new sysfs may be mounted with the host's network
  // The ids of a child user namespace, as maps from our namespace; empty: the container shares ours.
  std::vector<sys::IdRange> child_uids = {}, child_gids = {};
};

struct Spec {
  std::string rootfs;                  // a mounted root
  std::vector<std::string> argv;       // argv[0] is looked up in the container's PATH
  std::vector<std::string> env;        // "K=V"
  std::string cwd = "/";
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups = {};
  std::string hostname = "acetate";
  std::vector<MountPoint> mounts = {};
  Network network = Network::host;
  bool read_only = false;
  bool terminal = false;
  std::vector<std::string> capabilities;  // "CAP_CHOWN" …
  IdMode ids = IdMode::range;             // single: root emulation filter is added, and everybody is root
  Surroundings surroundings = {};
};

// Docker's fourteen, which package managers in builds expect; podman's eleven, the default of `run`.
const std::vector<std::string>& build_capabilities();
const std::vector<std::string>& run_capabilities();
const std::vector<std::string>& all_capabilities();

// The runtime-spec config.json, as text. Pure.
Result<std::string> to_oci_config(const Spec& spec);

// Who a Dockerfile USER or --user means, by the root's own passwd and group: "name", "uid", "name:group",
// "uid:gid". Reads them beneath `rootfs` following symlinks inside it. ENOENT with words.
struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  std::string home = "/";
};
Result<User> resolve_user(const std::string& rootfs, const std::string& text);

// Which OCI runtime works here, found by really running `true`-like nothing in an empty bundle: runc, then
// crun, or $ACETATE_RUNTIME. The answer is remembered for the process. ENOENT with words naming each and why.
// Inside the holder.
Result<std::string> find_runtime();

// Prepares the root (mount points for /dev, /proc, /sys as real directories, working directory made inside),
// runs the process to its end, and kills whatever it left running. Exit codes as podman's: 126 cannot be
// executed, 127 not found; those are results, not errors, and said on the log. Mount points that had to be made
// in the root are taken away again. Forwards signals meanwhile. `stdio`: descriptors for 0, 1, 2 (ours when -1);
// with spec.terminal they are to be the person's terminal, else ENOTTY with words.
struct Stdio {
  FdRef in, out, err;
};
Result<sys::Exit> launch(const Spec& spec, const std::string& scratch_dir, Stdio stdio);

}  // namespace acetate::sandbox
