#include "cli/run_options.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace acetate::cli {

namespace {

// -e A=1 -e B=2: one value each time, or the image's name would be taken for another.
template <class T>
void repeatable(CLI::App& app, const char* names, T& into, const char* help) {
  app.add_option(names, into, help)->allow_extra_args(false);
}

void declare_process(CLI::App& app, RunOptions& options) {
  repeatable(app, "-e,--env", options.env, "NAME=VALUE, or NAME to pass ours on");
  repeatable(app, "--env-file", options.env_files, "a file with one of these a line");
  repeatable(app, "--env-merge", options.env_merge, "NAME=VALUE with ${NAME} in it for what the image has");
  repeatable(app, "--unsetenv", options.unset_env, "NAME, which is not to be set");
  app.add_flag("--unsetenv-all", options.unset_env_all, "nothing of what the image sets");
  app.add_flag("--http-proxy", options.http_proxy, "pass our http_proxy, https_proxy, ftp_proxy and no_proxy on");
  app.add_flag("--env-host", options.env_host, "pass our whole environment on; image and command line go before");
  app.add_option("-w,--workdir", options.workdir, "the working directory; made if need be");
  app.add_option("-u,--user", options.user, "NAME, UID, NAME:GROUP or UID:GID");
  app.add_option("--entrypoint", options.entrypoint, "instead of the image's; \"\" for none");
  app.add_flag("-i,--interactive", options.interactive, "pass our standard input on");
  repeatable(app, "-a,--attach", options.attach, "stdin, stdout or stderr: what is not among them goes nowhere");
  app.add_flag("-t,--tty", options.terminal, "give it a terminal; ours must be one");
  app.add_flag("--init", options.init, "pid 1 is a reaper of ours, and the command its child");
  app.add_option("--stop-signal", options.stop_signal, "what --timeout sends; the image's, or TERM, by default");
  app.add_option("--stop-timeout", options.stop_timeout, "so many seconds after --timeout's signal comes KILL: 10, unless said; -1 for never")->check(CLI::Range(-1, 1 << 30));
  app.add_option("--umask", options.umask, "in octal; 0022 by default");
  app.add_option("--tz", options.timezone, "the time zone of its /etc/localtime, or local for ours");
  app.add_option("--timeout", options.timeout, "end it after so many seconds; with KILL ten seconds after that")
      ->check(CLI::PositiveNumber);
}

void declare_files(CLI::App& app, RunOptions& options) {
  repeatable(app, "-v,--volume", options.volumes, "SOURCE:TARGET[:ro], a file or directory of ours, or a volume's name; TARGET alone: kept with what is written");
  repeatable(app, "--mount", options.mounts, "type=bind|volume|tmpfs|image,source=…,target=…[,ro]");
  repeatable(app, "--tmpfs", options.tmpfs, "TARGET[:size=…,mode=…], a file system in memory");
  repeatable(app, "--device", options.devices, "SOURCE[:TARGET[:rwm]], a device of ours, or VENDOR/CLASS=NAME by CDI");
  repeatable(app, "--gpus", options.gpus, "all, a number of them or device=0,1: NVIDIA's, by CDI");
  repeatable(app, "--device-cgroup-rule", options.device_rules, "\"c 189:* rmw\", devices that may be made and used besides");
  app.add_option("--image-volume", options.image_volume, "what becomes of the volumes an image names: bind (the default, a directory of what is written), tmpfs or ignore")
      ->type_name("")
      ->check(CLI::IsMember({"bind", "anonymous", "tmpfs", "ignore"}));
  app.add_flag("--read-only-tmpfs", options.read_only_tmpfs, "false: with --read-only, nor are /tmp, /run and /var/tmp");
  app.add_flag("--read-only", options.read_only, "the root file system is not writable; /tmp and /run are");
  app.add_flag("--rootfs", options.rootfs, "IMAGE is a directory with a root file system; what is written is still kept apart");
  app.add_option("--shm-size", options.shm_size, "of /dev/shm; 64m by default, 0 for no limit");
}

void declare_networks(CLI::App& app, RunOptions& options) {
  app.add_option("--network,--net", options.network, "host (the default), none, pasta or slirp4netns");
  repeatable(app, "-p,--publish", options.ports, "[ADDRESS:][PORT:]PORT[/udp], by pasta or slirp4netns");
  repeatable(app, "--add-host", options.add_hosts, "NAME:ADDRESS, a line of /etc/hosts");
  repeatable(app, "--expose", options.exposed, "taken and without effect: -p says which ports lead in");
  repeatable(app, "--dns", options.dns, "a nameserver, instead of ours");
  repeatable(app, "--dns-search", options.dns_searches, "a domain to search, instead of ours; . for none");
  repeatable(app, "--dns-option,--dns-opt", options.dns_options, "a resolver's option (ndots:2), instead of ours");
  app.add_flag("--no-hosts", options.no_hosts, "leave the image's /etc/hosts");
  app.add_option("--domainname", options.domainname, "its NIS domain name");
  app.add_option("--uts", options.uts, "host: its names are ours")->type_name("")->check(CLI::IsMember({"host", "private"}));
  app.add_option("-h,--hostname", options.hostname, "the container's name for itself; ours with the host's network");
}

void declare_rights(CLI::App& app, RunOptions& options) {
  app.add_option("--userns", options.userns, "host (the default) or keep-id[:uid=…,gid=…]: the same user inside as outside");
  repeatable(app, "--group-add", options.group_add, "a group of the image more, by name or number; keep-groups: the caller's own, and what they may read");
  app.add_option("--pid", options.pid, "host: it sees our processes");
  app.add_option("--ipc", options.ipc, "host: its shared memory, semaphores and message queues are ours; none: private, without a /dev/shm")
      ->check(CLI::IsMember({"host", "private", "shareable", "none"}));
  app.add_option("--cgroupns", options.cgroupns, "host: with cgroups of version 2, its own is shown where it is and not as the root of all")->type_name("")->check(CLI::IsMember({"host", "private"}));
  repeatable(app, "--sysctl", options.sysctls, "NAME=VALUE, of its own network (net.*) or of its shared memory and queues (kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.*)");
  repeatable(app, "--cap-add", options.cap_add, "a capability more, or ALL");
  repeatable(app, "--cap-drop", options.cap_drop, "a capability less, or ALL");
  repeatable(app, "--security-opt", options.security,
             "no-new-privileges, seccomp=unconfined|builtin|FILE, mask=PATH, unmask=ALL|PATH, systempaths=unconfined, proc-opts=OPTIONS");
  app.add_flag("--privileged", options.privileged, "every capability and device we have, nothing masked, no call filtered");
  repeatable(app, "--ulimit", options.ulimits, "NAME=SOFT[:HARD]");
  app.add_option("--oom-score-adj", options.oom_score, "-1000 to 1000: how likely it is to be killed when the machine has no memory left")->check(CLI::Range(-1000, 1000));
}

void declare_limits(CLI::App& app, RunOptions& options) {
  app.add_option("-m,--memory", options.memory, "at most so many bytes (k, m, g); 0 for no limit, here and below");
  app.add_option("--memory-swap", options.memory_swap, "of memory and swap together; as much as --memory, unless said; -1 for any");
  app.add_option("--memory-reservation", options.memory_reservation, "what is left to it when the machine has little");
  app.add_option("--memory-swappiness", options.memory_swappiness, "0 to 100, or -1 for the machine's; cgroups of version 1 have it")->check(CLI::Range(-1, 100));
  app.add_flag("--oom-kill-disable", options.oom_kill_disable, "it waits at its limit instead of being killed; cgroups of version 1 have it");
  app.add_option("--cpus", options.cpus, "at most so many processors' time");
  app.add_option("--cpu-period", options.cpu_period, "of so many microseconds each,");
  app.add_option("--cpu-quota", options.cpu_quota, "at most so many; -1 for any");
  app.add_option("-c,--cpu-shares", options.cpu_shares, "its part of what processors are short of; 1024 is what others have");
  app.add_option("--cpuset-cpus", options.cpuset_cpus, "the processors it may run on (0-3,8)");
  app.add_option("--cpuset-mems", options.cpuset_mems, "the memory nodes it may have (0,1)");
  app.add_option("--pids-limit", options.pids_limit, "at most so many processes");
  app.add_option("--blkio-weight", options.blkio_weight, "10 to 1000: its part of what disks are short of");
  repeatable(app, "--blkio-weight-device", options.blkio_weight_devices, "DEVICE:WEIGHT, the same of one");
  repeatable(app, "--device-read-bps", options.device_read_bps, "DEVICE:BYTES, at most so many read from it in a second");
  repeatable(app, "--device-write-bps", options.device_write_bps, "DEVICE:BYTES, written to it");
  repeatable(app, "--device-read-iops", options.device_read_iops, "DEVICE:NUMBER, at most so many reads of it in a second");
  repeatable(app, "--device-write-iops", options.device_write_iops, "DEVICE:NUMBER, writes to it");
  repeatable(app, "--cgroup-conf", options.cgroup_conf, "FILE=VALUE, of a cgroup of version 2 (memory.high=1073741824)");
  app.add_option("--cgroup-parent", options.cgroup_parent, "as real root: the cgroup in which the container's is made");
}

}  // namespace

void declare_run_options(CLI::App& app, RunOptions& options) {
  app.set_help_flag("--help", "print this help and exit");  // docker and podman have -h for the host name
  declare_process(app, options);
  declare_files(app, options);
  declare_networks(app, options);
  declare_rights(app, options);
  declare_limits(app, options);
  app.add_flag("--hpc", options.hpc, "as on a cluster: the same user, our home and working directory, our environment");
  app.add_flag("--rm", options.remove, "remove what was written afterwards: always so, without --keep");
  app.add_option("--name", options.name, "taken and without effect: what is kept has the name that --keep gives it");
  app.add_option("--keep", options.keep, "keep what is written under this name, and go on from it next time");
  app.add_option("--upper", options.upper,
                 "who keeps what is written: own (our daemon), kernel (its overlay above our layers) or auto (the kernel's where it works)")
      ->check(CLI::IsMember({"own", "kernel", "auto"}));
  repeatable(app, "-l,--label", options.labels, "NAME=VALUE, noted with --keep (and put into what commit makes) and in the container's annotations");
  repeatable(app, "--label-file", options.label_files, "a file with one of these a line");
  repeatable(app, "--annotation", options.annotations, "NAME=VALUE, an annotation of the container, for hooks and its runtime");
  app.add_option("--cidfile", options.id_file, "write what it goes by into this file, which must be new: the name that --keep gives, or a random one");
  app.add_option("--runtime", options.runtime, "runc, crun or native, our own launcher: instead of the first that works (ACETATE_RUNTIME)")->type_name("");
  app.add_option("--os", options.os, "if not this machine's; parts of --platform,");
  app.add_option("--arch", options.arch, "each");
  app.add_option("--variant", options.variant, "by itself");
  app.add_option("--platform", options.platform, "OS/ARCHITECTURE[/VARIANT], if not this machine's");
  app.add_option("--pull", options.pull, "when to ask the registry: missing (the default), always, newer, never")
      ->type_name("")
      ->check(CLI::IsMember({"always", "missing", "never", "newer"}));
  app.add_flag("-q,--quiet", options.quiet, "say nothing of a pull");
  add_lazy_options(app, options.lazy);
  options.habits = add_run_habits(app);
  app.add_flag("--verbose", options.verbose, "say more about what is done");
}

}  // namespace acetate::cli
