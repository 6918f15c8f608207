// The mounts of one RUN carried out: layers mounted, secrets in memory, agents listening. Private to the sandbox
// runner.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/agent_proxy.h"
#include "builder/runner.h"
#include "builder/sandbox/rootfs.h"
#include "builder/sandbox/spec.h"

namespace acetate::build {

// Everything goes away with the object: make it before the step's root, so that it outlives what binds it.
class SandboxMounts {
 public:
  // `scratch`: a directory for mount points; `scratch_base`: where further roots are made.
  SandboxMounts(std::string scratch, std::string scratch_base, sandbox::IdMode ids)
      : scratch_(std::move(scratch)), scratch_base_(std::move(scratch_base)), ids_(ids) {}
  SandboxMounts(const SandboxMounts&) = delete;
  SandboxMounts& operator=(const SandboxMounts&) = delete;
  ~SandboxMounts();

  // Adds what it comes to, to `spec`: mount points and variables. ENOENT with words for a source that is not there.
  Result<void> add(const ReadyMount& mount, sandbox::Spec& spec);

 private:
  Result<void> add_bind(const ReadyMount& mount, sandbox::Spec& spec);
  Result<void> add_cache(const ReadyMount& mount, sandbox::Spec& spec);
  Result<void> add_secret(const ReadyMount& mount, sandbox::Spec& spec);
  Result<void> add_agent(const ReadyMount& mount, sandbox::Spec& spec);
  // A directory of our own in memory, which no disk ever sees.
  Result<std::string> private_dir();
  Result<void> own(FdRef file, const dockerfile::Mount& mount, unsigned mode) const;
  // Where `source` leads in a mounted root.
  static Result<std::string> inside(const std::string& root, const std::string& source);
  // Binds a directory by its descriptor, so that nobody can put something else in its place meanwhile.
  Result<std::string> pin(FdRef dir);

  std::string scratch_, scratch_base_;
  sandbox::IdMode ids_;
  unsigned next_ = 0;
  std::string memory_;                   // the private directory, once there is one
  std::vector<std::string> pinned_;      // to be unmounted, in this order
  std::vector<sandbox::Rootfs> roots_;
  std::map<std::string, std::string> caches_;  // those that begin with other files: where the overlay of each directory is
  std::vector<AgentProxy> agents_;
};

}  // namespace acetate::build
