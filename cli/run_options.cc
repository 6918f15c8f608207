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
  app.add_flag("--env-host", options.env_host, "pass our whole environment on; image and command line go before");
  app.add_option("-w,--workdir", options.workdir, "the working directory; made if need be");
  app.add_option("-u,--user", options.user, "NAME, UID, NAME:GROUP or UID:GID");
  app.add_option("--entrypoint", options.entrypoint, "instead of the image's; \"\" for none");
  app.add_flag("-i,--interactive", options.interactive, "pass our standard input on");
  app.add_flag("-t,--tty", options.terminal, "give it a terminal; ours must be one");
  app.add_flag("--init", options.init, "pid 1 is a reaper of ours, and the command its child");
  app.add_option("--stop-signal", options.stop_signal, "what --timeout sends; the image's, or TERM, by default");
  app.add_option("--timeout", options.timeout, "end it after so many seconds; with KILL ten seconds after that")
      ->check(CLI::PositiveNumber);
}

void declare_files(CLI::App& app, RunOptions& options) {
  repeatable(app, "-v,--volume", options.volumes, "SOURCE:TARGET[:ro], a file or directory of ours, or a volume's name; TARGET alone: kept with what is written");
  repeatable(app, "--mount", options.mounts, "type=bind|volume|tmpfs|image,source=…,target=…[,ro]");
  repeatable(app, "--tmpfs", options.tmpfs, "TARGET[:size=…,mode=…], a file system in memory");
  repeatable(app, "--device", options.devices, "SOURCE[:TARGET[:rwm]], a device of ours, or VENDOR/CLASS=NAME by CDI");
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
  app.add_option("-h,--hostname", options.hostname, "the container's name for itself; ours with the host's network");
}

void declare_rights(CLI::App& app, RunOptions& options) {
  app.add_option("--userns", options.userns, "host (the default) or keep-id[:uid=…,gid=…]: the same user inside as outside");
  repeatable(app, "--group-add", options.group_add, "a group of the image more, by name or number; keep-groups: the caller's own, and what they may read");
  app.add_option("--pid", options.pid, "host: it sees our processes");
  app.add_option("--ipc", options.ipc, "host: its shared memory, semaphores and message queues are ours")->check(CLI::IsMember({"host", "private"}));
  repeatable(app, "--cap-add", options.cap_add, "a capability more, or ALL");
  repeatable(app, "--cap-drop", options.cap_drop, "a capability less, or ALL");
  repeatable(app, "--security-opt", options.security,
             "no-new-privileges, seccomp=unconfined|FILE, mask=PATH, unmask=ALL|PATH, systempaths=unconfined");
  app.add_flag("--privileged", options.privileged, "every capability and device we have, nothing masked, no call filtered");
  repeatable(app, "--ulimit", options.ulimits, "NAME=SOFT[:HARD]");
  app.add_option("-m,--memory", options.memory, "at most so many bytes (k, m, g); 0 for no limit, here and below");
  app.add_option("--cpus", options.cpus, "at most so many processors' time");
  app.add_option("--pids-limit", options.pids_limit, "at most so many processes");
}

}  // namespace

void declare_run_options(CLI::App& app, RunOptions& options) {
  app.set_help_flag("--help", "print this help and exit");  // docker and podman have -h for the host name
  declare_process(app, options);
  declare_files(app, options);
  declare_networks(app, options);
  declare_rights(app, options);
  app.add_flag("--hpc", options.hpc, "as on a cluster: the same user, our home and working directory, our environment");
  app.add_flag("--rm", options.remove, "remove what was written afterwards: always so, without --keep");
  app.add_option("--name", options.name, "taken and without effect: what is kept has the name that --keep gives it");
  app.add_option("--keep", options.keep, "keep what is written under this name, and go on from it next time");
  app.add_option("--upper", options.upper,
                 "who keeps what is written: own (our daemon), kernel (its overlay above our layers) or auto (the kernel's where it works)")
      ->check(CLI::IsMember({"own", "kernel", "auto"}));
  repeatable(app, "--label", options.labels, "NAME=VALUE, noted with --keep (and put into what commit makes) and in the container's annotations");
  app.add_option("--platform", options.platform, "OS/ARCHITECTURE[/VARIANT], if not this machine's");
  app.add_option("--pull", options.pull, "when to ask the registry: missing (the default), always, newer, never")
      ->type_name("")
      ->check(CLI::IsMember({"always", "missing", "never", "newer"}));
  app.add_flag("-q,--quiet", options.quiet, "say nothing of a pull");
  add_lazy_options(app, options.lazy);
  app.add_flag("--verbose", options.verbose, "say more about what is done");
}

}  // namespace acetate::cli
