// What becomes of the process that is the container's first: mounts, identity, and then the command.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/fd.h"
#include "base/sys/process.h"
#include "base/sys/unix_socket.h"
#include "builder/sandbox/hooks.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

// Where it stopped, told in one write.
enum class NativeStage : int { cgroup, namespaces, network, mounts, sysctls, hooks, root, hostname, keyring, terminal, directory, limits, ids, capabilities, filter, execute };
const char* name_of(NativeStage stage) noexcept;
struct NativeFailure {
  NativeStage stage;
  int code;
  char what[2000] = {};  // the mount it was about; of a hook the whole sentence
};
// A pipe takes so much at once.
static_assert(sizeof(NativeFailure) <= 4096);
void tell_failure(FdRef pipe, const NativeFailure& failure) noexcept;

struct NativePipes {
  sys::Pipe pid;     // the container's pid, from the one between
  sys::Pipe ready;   // a byte when its mounts stand and one when its own hooks are done, if there are any; and one when it is in its user namespace
  sys::Pipe failed;  // a NativeFailure; closed by a successful exec
  sys::SocketPair go;        // a byte when the hooks outside are done, if there are hooks; and one when its ids are mapped: to one that may have ended, which is no reason for SIGPIPE
  sys::SocketPair terminal;  // the master of its terminal
  sys::SocketPair owners;    // what an OwnerRecorder answers by
};
Result<NativePipes> make_native_pipes();

struct NativeChild {
  const Spec& spec;
  const nlohmann::ordered_json& config;
  std::string filter;  // a BPF program; empty: none
  bool filter_asks = false;  // somebody of ours, by a descriptor that is sent through NativePipes::owners
  Stdio stdio;
  bool own_users = false;
  const ContainerHooks& hooks;
  bool no_devices = false;  // as make_mounts() has it: there is no cgroup of devices around our containers
};

// In the new namespaces. Dies with its parent.
[[noreturn]] void become_container(const NativeChild& child, NativePipes& pipes);

}  // namespace acetate::sandbox
