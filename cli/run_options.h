// The options of `acetate run`, as typed; "" and empty lists are "not given". Their meaning is docker's and podman's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/lazy_image.h"
#include "cli/run_habits.h"

namespace CLI {
class App;
}

namespace acetate::cli {

struct RunOptions {
  // The process.
  std::vector<std::string> env, env_files, env_merge, unset_env;
  bool env_host = false, unset_env_all = false, http_proxy = false;
  std::optional<std::string> entrypoint, user;
  std::string workdir, hostname, domainname, umask, timezone;
  bool interactive = false, terminal = false, init = false;
  std::vector<std::string> attach;
  std::string stop_signal;
  std::optional<int> timeout, stop_timeout;

  // Its files.
  std::vector<std::string> volumes, mounts, tmpfs, devices;
  bool read_only = false, read_only_tmpfs = true, rootfs = false;
  std::string shm_size, image_volume = "bind";

  // Its networks.
  std::string network;
  std::vector<std::string> ports, exposed, add_hosts, dns, dns_searches, dns_options;
  bool no_hosts = false;

  // Who it is and what it may.
  std::string userns, pid, ipc, uts, cgroupns;
  std::vector<std::string> group_add, cap_add, cap_drop, security, ulimits, sysctls, gpus, device_rules;
  bool privileged = false;
  std::optional<int> oom_score;

  // What a cgroup keeps.
  std::string memory, memory_swap, memory_reservation, cpus, cpu_period, cpu_quota, cpu_shares, cpuset_cpus, cpuset_mems, pids_limit, blkio_weight, cgroup_parent;
  std::optional<int> memory_swappiness;
  bool oom_kill_disable = false;
  std::vector<std::string> blkio_weight_devices, device_read_bps, device_write_bps, device_read_iops, device_write_iops, cgroup_conf;

  // The image and what stays.
  std::string keep, platform, os, arch, variant, pull = "missing", upper = "own", runtime, id_file;
  LazyFlags lazy;  // and how its registry is reached, lazily or not
  bool quiet = false;
  std::string name;  // nothing goes by it
  std::vector<std::string> labels, label_files, annotations;
  bool remove = true;  // what happens anyway, without --keep
  bool hpc = false, verbose = false;
  std::shared_ptr<RunHabits> habits;
};

void declare_run_options(CLI::App& app, RunOptions& options);

}  // namespace acetate::cli
