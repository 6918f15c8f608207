// A process in a root filesystem, described before it exists. Plain data: the commands fill it, tests compare
// it, to_oci_config() turns it into a runtime-spec config.json and launch() is the only code that acts on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
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
  // Mount options as the runtime-spec has them: of a tmpfs "mode=0700", "noexec", …; of a bind "nosuid", "rslave",
  // or "bind" for one that leaves out what is mounted below its source.
  std::vector<std::string> options = {};
  // Flags of the source's own mount, which a bind inside a user namespace must repeat: nosuid, nodev, noexec.
  // launch() finds them.
  std::vector<std::string> locked = {};
  bool has_submounts = false;  // of a bind: read-only must then reach them too; launch() finds out
};

// host: ours. none: loopback only. The others: a network namespace whose packets a helper of that name carries.
enum class Network { host, none, pasta, slirp4netns };

// A port of ours that leads into the container's network; pasta and slirp4netns only.
struct Port {
  std::string address = {};  // of ours; every one when empty
  std::uint16_t outside = 0, inside = 0;
  bool udp = false;
};

// What resolv.conf says in the place of ours: each of them where it is not empty. A search for "." alone is for none.
struct Resolver {
  std::vector<std::string> nameservers = {}, searches = {}, options = {};
  bool empty() const noexcept { return nameservers.empty() && searches.empty() && options.empty(); }
};

// A device node of ours, bound into the container; or a directory, for those below it, which launch() finds.
struct Device {
  std::string source, target;
  std::string access = "rwm";  // empty: none, where a cgroup of devices is kept to
  char type = 'c';  // 'c' or 'b'; it and the numbers launch() finds out
  unsigned major = 0, minor = 0;
};

// A program of whoever set a device up, which the runtime starts at a point of the container's life (runtime-spec config.md#posix-platform-hooks).
struct Hook {
  // In this order. In our namespaces, and path is ours: prestart, create_runtime, poststart, poststop. In the container's, before its root is
  // entered, so that path is ours too: create_container. In it, as the command itself, and path is the container's: start_container.
  enum class Stage { prestart, create_runtime, create_container, start_container, poststart, poststop } stage = Stage::create_runtime;
  std::string path;                                   // absolute
  std::vector<std::string> args = {};                 // argv, its name included; the path alone when empty
  std::optional<std::vector<std::string>> env = {};   // "K=V"; whoever starts it has, when absent
  std::optional<int> timeout = {};                    // seconds, above 0
  bool operator==(const Hook&) const = default;
};
// As the runtime-spec calls it: "createRuntime".
const char* name_of(Hook::Stage stage) noexcept;
std::optional<Hook::Stage> parse_hook_stage(std::string_view name) noexcept;

// setrlimit(2), by the name getrlimit has: "RLIMIT_NOFILE".
struct Limit {
  std::string name;
  std::uint64_t soft = 0, hard = 0;
};

// What a cgroup is to hold it to; launch() says on the log what it cannot have. Weights are those of version 1, as docker and podman have them.
struct Resources {
  std::optional<std::uint64_t> memory = {};              // bytes
  std::optional<std::uint64_t> memory_and_swap = {};     // of both together, kNoLimit for any; as much as `memory`, when nobody says
  std::optional<std::uint64_t> memory_reservation = {};  // what it is left with when the machine has little
  std::optional<double> cpus = {};                       // processors' worth of time
  std::optional<std::uint64_t> cpu_shares = {};          // 1024 is what everybody has
  std::string cpuset_cpus = {}, cpuset_mems = {};        // "0-3,8"
  std::optional<std::int64_t> pids = {};
  std::optional<unsigned> blkio_weight = {};             // 10 to 1000
  // Of one disk.
  struct Disk {
    enum class Kind { weight, read_bytes, write_bytes, read_calls, write_calls } kind;
    unsigned major, minor;
    std::uint64_t value;  // a weight, or at most so many a second
    bool operator==(const Disk&) const = default;
  };
  std::vector<Disk> disks = {};
  std::vector<std::pair<std::string, std::string>> files = {};  // of a cgroup of version 2 by name, and what is written there
  // Of version 1 alone.
  std::optional<unsigned> swappiness = {};
  bool never_killed = false;  // waits instead, when it wants more memory than it may have

  static constexpr std::uint64_t kNoLimit = UINT64_MAX;
  // `cpus` as cgroups of either version are told it: so many microseconds in each period.
  static constexpr std::uint64_t kCpuPeriod = 100000;  // docker's
  std::uint64_t cpu_period = kCpuPeriod;
  std::uint64_t cpu_quota() const noexcept { return static_cast<std::uint64_t>(cpus.value_or(0) * static_cast<double>(cpu_period) + 0.5); }
  bool operator==(const Resources&) const = default;
  bool empty() const { return *this == Resources{}; }
};

// What a cgroup of devices allows besides: 'c', 'b' or, for both, 'a', and any number where there is none.
struct DeviceRule {
  char type;
  std::optional<std::int64_t> major, minor;
  std::string access;
  bool operator==(const DeviceRule&) const = default;
};

// A setting of a namespace of the container's own by its name with dots, and its value (sysctls.h).
using Sysctl = std::pair<std::string, std::string>;

// What keeps the container from the kernel and the host, beyond its namespaces.
struct Confinement {
  bool no_new_privileges = false;
  bool filter_calls = true;                // the seccomp filter of seccomp.h
  std::optional<std::string> profile = {}; // or this one, in docker's format (seccomp_profile.h)
  bool default_masks = true;               // what of /proc and /sys nobody sees, or nobody writes
  std::vector<std::string> masked = {};    // hidden besides
  std::vector<std::string> unmasked = {};  // and not hidden, nor read-only; patterns of glob(7)
  std::vector<std::string> proc_options = {};  // "hidepid=2", of a /proc that is mounted anew
};

// What the description depends on that nobody wishes but the system has. launch() fills it in.
struct Surroundings {
  bool real_root = false;    // we are root with every id there is, outside of any user namespace
  bool cgroup_v2 = false;    // the unified hierarchy alone
  bool fresh_sysfs = false;  // a new sysfs may be mounted with the host's network
  std::vector<std::string> throttles = {};  // what /sys tells of each processor's heat, by which one container learns what another computes
  bool read_only_below = false;  // a bind can be made read-only with all that is mounted below it (mount_setattr(2), Linux 5.12)
  // The ids of a child user namespace, as maps from our namespace; empty: the container shares ours.
  std::vector<sys::IdRange> child_uids = {}, child_gids = {};
  bool cgroup_limits = false;        // the runtime may make cgroups, so it is told the limits
  std::string cgroup = {};           // a cgroup made beforehand, by its path in the hierarchy, that the runtime puts the container into
  bool shows_cgroup = false;         // the container sees its own, read-only, for programs that go by their limits
  std::string owner_listener = {};   // where the runtime sends the descriptor that owners are recorded by (owner_recorder.h); empty: it does not
  bool bound_proc = false;           // a new proc may not be mounted: ours is bound, and our pids are seen
  std::string network_namespace = {};  // a path, where the network was made beforehand
  std::vector<Sysctl> network_defaults = {};  // what a network that is made with the container begins with

  // Of the person's terminal, with which the container's begins; none: it is not known, or there is none.
  struct ConsoleSize {
    unsigned short rows, columns;
  };
  std::optional<ConsoleSize> console_size = {};

  bool shares_pids() const noexcept { return bound_proc; }  // it has no pid namespace: what it leaves running is ended by a keeper (keeper.h)
};

// A name that no other container has.
std::string new_container_id();

struct Spec {
  std::string id = {};                 // what a runtime is to know it by; a new one when empty
  std::string rootfs;                  // a mounted root
  std::vector<std::string> argv;       // argv[0] is looked up in the container's PATH
  std::vector<std::string> env;        // "K=V"
  std::string cwd = "/";
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups = {};
  bool keep_groups = false;  // instead of these, those of whoever called us, with what they may read and write; our launcher can
  std::string hostname = "acetate";
  bool hostname_asked = false;  // somebody gave it, and will want to know where it cannot be
  std::string domainname = {};  // of NIS (setdomainname(2)); ours when empty
  bool own_uts = true;          // else its names are ours, and nobody sets them
  std::vector<MountPoint> mounts = {};
  std::vector<std::string> directories = {};  // made where they are not there, and then part of what is written; writable in a read-only root too
  Network network = Network::host;
  std::vector<Port> ports = {};
  bool our_hosts = false;                     // /etc/hosts says what ours does
  std::vector<std::string> hosts = {};        // further lines of /etc/hosts: "10.0.0.1\tname"
  Resolver resolver = {};
  bool makes_hosts = true;                    // else /etc/hosts is the image's
  std::vector<Device> devices = {};
  std::vector<DeviceRule> device_rules = {};  // kept where a cgroup of devices is: by real root's runtime
  std::vector<gid_t> device_groups = {};      // the process is a member of these too, whoever it is; not to be had with one id
  std::vector<Hook> hooks = {};               // of each stage in this order
  bool own_pids = true;
  bool own_ipc = true;                        // else System V's objects are ours, and nobody makes a /dev/shm or /dev/mqueue: they are in `mounts`
  std::vector<Sysctl> sysctls = {};           // of namespaces that are its own
  bool init = false;                          // a reaper of ours is pid 1, and the command its child
  std::uint64_t shm_size = 64 << 20;          // of /dev/shm; 0: no limit
  bool makes_shm = true;                      // else there is no /dev/shm
  std::vector<Limit> limits = {};
  Resources resources = {};
  std::string cgroup_parent = {};  // where the runtime is to make its cgroup, as a path in the hierarchy; its own choice when empty
  bool own_cgroups = true;         // with version 2: it sees its own cgroup as the root of all
  FdRef limited_cgroup = {};  // DelegatedCgroup::limited(), where there is one; else real root's runtime makes one
  std::string why_unlimited = "no cgroup is delegated to us";  // where there is neither
  Confinement confinement = {};
  std::optional<int> oom_score = {};  // its oom_score_adj
  unsigned umask = 022;
  FdRef ending = {};  // of a command without a terminal: the reading end of a pipe. Once nobody holds the other, all is killed
  std::optional<int> time_limit = {};         // seconds; then `stop_signal`, and SIGKILL `stop_grace` later
  int stop_signal = 15;
  int stop_grace = 10;                        // seconds
  std::vector<std::pair<std::string, std::string>> annotations = {};
  bool read_only = false;
  bool terminal = false;
  std::vector<std::string> capabilities;  // "CAP_CHOWN" …
  IdMode ids = IdMode::range;             // single: root emulation filter is added, and everybody is root
  bool record_owners = false;             // with one id: the root notes whom files are given to, as Rootfs::notes_owners() says
  // Who of the container is the caller outside (--userns=keep-id); nobody: its root is.
  struct KeptId {
    uid_t uid;
    gid_t gid;
  };
  std::optional<KeptId> keep_id = {};
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
// Warnings (a limit that cannot be kept, a helper that said something) go to the log.
// `memo`: a file that keeps which runtime works from one command to the next (see runtime.h).
Result<sys::Exit> launch(const Spec& spec, const std::string& scratch_dir, Stdio stdio, const std::string& memo = {});
// What launch() asks and no root is needed for, found out beforehand by whoever waits for one: which runtime works, and our launcher's
// filter of calls. What fails here is told by launch().
void prepare_launch(const Spec& spec, const std::string& memo = {});

}  // namespace acetate::sandbox
