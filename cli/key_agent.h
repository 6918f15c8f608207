// An ssh agent that holds key files for one build: a step is shown its socket, and never a key.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/sys/process.h"
#include "builder/sandbox/scratch.h"

namespace acetate::cli {

// There for as long as the object lives, or our process does.
class KeyAgent {
 public:
  // OpenSSH's ssh-agent and ssh-add (ENOENT with words where they are not). EACCES with words for what is no key, and for one with a
  // passphrase: nobody is asked.
  static Result<KeyAgent> start(const std::vector<std::string>& keys);
  std::string socket() const { return dir_ / "agent"; }

 private:
  KeyAgent(sandbox::Scratch dir, sys::Child agent) : dir_(std::move(dir)), agent_(std::move(agent)) {}
  sandbox::Scratch dir_;
  sys::Child agent_;
};

}  // namespace acetate::cli
