// The daemon's end of its control socket (fs/control.h): a thread that answers one client after another.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::fs {

class ControlServer {
 public:
  // What is asked for, without the line feed; the answer, or an error in words. Called from the server's thread.
  using Answer = std::function<Result<std::string>(std::string_view request)>;

  // Listens on the socket of the mount with this device number, until it is destroyed. `answer` must outlive it.
  static Result<std::unique_ptr<ControlServer>> start(dev_t device, Answer answer);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  struct Impl;
  explicit ControlServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace acetate::fs
