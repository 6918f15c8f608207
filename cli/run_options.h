// The options of `acetate run`, as typed; "" and empty lists are "not given". Their meaning is docker's and podman's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/lazy_image.h"

namespace CLI {
class App;
}

namespace acetate::cli {

struct RunOptions {
  // The process.
  std::vector<std::string> env, env_files;
  bool env_host = false;
  std::optional<std::string> entrypoint, user;
  std::string workdir, hostname;
  bool interactive = false, terminal = false, init = false;
  std::string stop_signal;
  std::optional<int> timeout;

  // Its files.
  std::vector<std::string> volumes, mounts, tmpfs, devices;
  bool read_only = false, rootfs = false;
  std::string shm_size;

  // Its networks.
  std::string network;
  std::vector<std::string> ports, exposed, add_hosts, dns, dns_searches, dns_options;

  // Who it is and what it may.
  std::string userns, pid, ipc;
  std::vector<std::string> group_add, cap_add, cap_drop, security, ulimits;
  bool privileged = false;
  std::string memory, cpus, pids_limit;

  // The image and what stays.
  std::string keep, platform, pull = "missing", upper = "own";
  LazyFlags lazy;  // and how its registry is reached, lazily or not
  bool quiet = false;
  std::string name;  // nothing goes by it
  std::vector<std::string> labels;
  bool remove = true;  // what happens anyway, without --keep
  bool hpc = false, verbose = false;
};

void declare_run_options(CLI::App& app, RunOptions& options);

}  // namespace acetate::cli
