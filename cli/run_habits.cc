#include "cli/run_habits.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <iterator>
#include <ranges>

namespace acetate::cli {

namespace {

using Words = std::vector<std::string>;

struct Known {
  const char *option, *help;
  Words words = {};
  const char* instead = "";
};
const Known kTaken[] = {
    {"--detach-keys", "taken and without effect: nobody detaches from a command in the foreground"},
    {"--log-driver", "none, json-file, local, k8s-file or passthrough: taken and without effect, what the command says is ours to read and kept nowhere",
     {"none", "json-file", "local", "k8s-file", "passthrough", "passthrough-tty"},
     "what the command says goes to our standard output: hand it on from there (acetate run … | systemd-cat)"},
    {"--log-opt", "taken and without effect: there is no log"},
    {"--restart", "no, the only way: whoever waits for the command may start it again", {"no", ""},
     "nobody is left to start it again: a unit of systemd's with Restart=, or a loop around acetate run, does"},
    {"--health-cmd,--health-interval,--health-retries,--health-start-interval,--health-start-period,--health-timeout,--health-startup-cmd,--health-startup-interval,"
     "--health-startup-retries,--health-startup-success,--health-startup-timeout",
     "taken and without effect: nobody asks how a command in the foreground is"},
    {"--health-on-failure", "none, the only way", {"none"}, "nobody asks how a command in the foreground is: --timeout ends one that takes too long"},
    {"--network-alias,--net-alias", "taken and without effect: nobody else meets the container by a name"},
    {"--kernel-memory", "taken and without effect: --memory counts it too"},
    {"--isolation", "default, the only way", {"default", ""}, "there are no virtual machines here"},
    {"--volume-driver", "local, the only way", {"local", ""}, "a volume is a directory of ours: mount what another driver has, and bind it (-v DIRECTORY:TARGET)"},
    {"--systemd", "true or false: taken and without effect, systemd as pid 1 is not prepared for", {"true", "false"}, "systemd as pid 1 wants cgroups of its own, which podman gives it"},
    {"--sdnotify", "ignore, the only way", {"ignore"}, "bind the socket and name it: -v $NOTIFY_SOCKET:$NOTIFY_SOCKET -e NOTIFY_SOCKET"},
    {"--seccomp-policy", "default, the only way", {"default"}, "--security-opt seccomp=FILE is a profile of one's own"},
    {"--cgroups", "enabled or no-conmon: taken and without effect", {"enabled", "no-conmon"}, "a cgroup is made for limits, and by real root's runtime; ACETATE_RUNTIME=native makes none"},
};

struct Unknown {
  const char *option, *instead;
  bool has_value = true;
};
constexpr Unknown kRefused[] = {
    {"-d,--detach", "a command runs in the foreground: the shell's & or systemd-run puts it into the background, and podman keeps containers there", false},
    {"-P,--publish-all", "nobody could ask for the ports it finds: -p says which lead in", false},
    {"--rmi", "acetate rmi removes the image afterwards", false},
    {"--replace", "acetate rm NAME removes what was kept, and --keep NAME begins anew then", false},
    {"--use-api-socket", "-v /var/run/docker.sock:/var/run/docker.sock shows docker's", false},
    {"--link", "nobody else is in the container's network: with --network host one reaches every service of this machine, and --add-host gives it a name"},
    {"--link-local-ip", "pasta and slirp4netns give the address"},
    {"--ip", "pasta and slirp4netns give the address"},
    {"--ip6", "pasta and slirp4netns give the address"},
    {"--mac-address", "pasta and slirp4netns give the address"},
    {"--volumes-from", "a container's volumes are no other's: name one (-v NAME:TARGET) to have it in both"},
    {"--secret", "bind the file, -v FILE:/run/secrets/NAME:ro, or pass a variable on, -e NAME"},
    {"--storage-opt", "what is written may be as large as the file system that it is on; --tmpfs TARGET:size=… is one with a limit"},
    {"--uidmap", "--userns keep-id:uid=…,gid=… is the one order of ids that can be chosen"},
    {"--gidmap", "--userns keep-id:uid=…,gid=… is the one order of ids that can be chosen"},
    {"--subuidname", "the ranges of whoever runs us are used"},
    {"--subgidname", "the ranges of whoever runs us are used"},
    {"--hostuser", "--userns keep-id makes the caller known inside; -v FILE:/etc/passwd gives other lines"},
    {"--passwd-entry", "-v FILE:/etc/passwd gives one"},
    {"--group-entry", "-v FILE:/etc/group gives one"},
    {"--hosts-file", "-v FILE:/etc/hosts gives one, --no-hosts leaves the image's, and --add-host adds to ours"},
    {"--init-path", "--init has a reaper of its own; an --entrypoint may be any other"},
    {"--pidfile", "a signal for the command is sent to acetate itself"},
    {"--conmon-pidfile", "there is no conmon: a signal for the command is sent to acetate itself"},
    {"--preserve-fds", "descriptors above 2 are closed: /proc/PID/fd of nobody's leads into a container"},
    {"--preserve-fd", "descriptors above 2 are closed: /proc/PID/fd of nobody's leads into a container"},
    {"--personality", "setarch(8) in the container changes it"},
    {"--pod", "there are no pods"},
    {"--pod-id-file", "there are no pods"},
    {"--requires", "no container is known to wait for: the shell's && puts one after another"},
    {"--chrootdirs", "what chroots of the container need is mounted there by -v"},
    {"--cpu-rt-period", "cgroups of version 2 have no share of real time"},
    {"--cpu-rt-runtime", "cgroups of version 2 have no share of real time"},
    {"--rdt-class", "resctrl(8) is not looked at: start acetate in the class, which is inherited"},
    {"--cpu-count", "that is of Windows' containers: --cpus"},
    {"--cpu-percent", "that is of Windows' containers: --cpus"},
    {"--io-maxbandwidth", "that is of Windows' containers: --device-read-bps and --device-write-bps"},
    {"--io-maxiops", "that is of Windows' containers: --device-read-iops and --device-write-iops"},
    {"--creds", "acetate login keeps them, and --authfile names a file that has them"},
    {"--decryption-key", "encrypted layers are not read"},
};

// "--name" of "-n,--name,--other".
std::string long_name(const std::string& names) {
  const std::size_t at = names.find("--");
  return names.substr(at, names.find(',', at) - at);
}

}  // namespace

std::shared_ptr<RunHabits> add_run_habits(CLI::App& app) {
  const auto habits = std::make_shared<RunHabits>();
  habits->taken.reserve(std::size(kTaken));
  for (const Known& known : kTaken) {
    auto& one = habits->taken.emplace_back(RunHabits::Taken{.option = long_name(known.option), .words = known.words, .instead = known.instead});
    app.add_option(known.option, one.values, known.help)->allow_extra_args(false)->type_name("TEXT");
  }
  app.add_flag("--no-healthcheck", habits->no_healthcheck, "taken and without effect: none is made");
  app.add_flag("--disable-content-trust", habits->trusts, "taken and without effect: no signature is asked for");
  app.add_flag("--passwd", habits->passwd, "taken and without effect: whoever is kept by --userns keep-id has a line in the container's passwd, and nobody else");
  app.add_flag("--sig-proxy", habits->sig_proxy, "true, the only way: signals go on to the command");
  habits->refused.reserve(std::size(kRefused));
  for (const Unknown& unknown : kRefused) {
    auto& one = habits->refused.emplace_back(RunHabits::Refused{.option = long_name(unknown.option), .instead = unknown.instead});
    if (unknown.has_value) app.add_option(unknown.option, one.values)->allow_extra_args(false)->group("");
    else app.add_flag(unknown.option, one.asked)->group("");
  }
  return habits;
}

Result<void> check(const RunHabits& habits) {
  for (const RunHabits::Refused& one : habits.refused)
    if (!one.values.empty() || one.asked) return fail(ENOTSUP, "{} is not to be had: {}", one.option, one.instead);
  for (const RunHabits::Taken& one : habits.taken)
    for (const std::string& value : one.values)
      if (!one.words.empty() && std::ranges::find(one.words, value) == one.words.end()) return fail(ENOTSUP, "{} {} is not to be had: {}", one.option, value, one.instead);
  if (!habits.sig_proxy) return fail(ENOTSUP, "--sig-proxy=false is not to be had: signals go on to the command; setsid(1) keeps those of the terminal away from both");
  return {};
}

}  // namespace acetate::cli
