// An ssh agent lent to a step: a socket of ours that hands every connection on to the agent's own.
//
// The agent's socket itself is not given away: its owner and mode are the person's, and OpenSSH's agent talks to its
// own user only.
#pragma once

#include <string>
#include <thread>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::build {

class AgentProxy {
 public:
  // Listens at `path`, which is made (mode 0600), and connects to `upstream` for each who comes. ECONNREFUSED and
  // ENOENT with words when nobody listens at `upstream`.
  static Result<AgentProxy> start(const std::string& path, const std::string& upstream);
  AgentProxy(AgentProxy&&) noexcept = default;
  AgentProxy& operator=(AgentProxy&&) = delete;
  ~AgentProxy();  // ends every connection

 private:
  AgentProxy(Fd stop, std::thread thread) : stop_(std::move(stop)), thread_(std::move(thread)) {}
  Fd stop_;  // the write end of a pipe: closing it ends the thread
  std::thread thread_;
};

}  // namespace acetate::build
