// The container's terminal: the runtime makes it inside and hands us its other side over a socket; we stand
// between it and the person's own terminal.
#pragma once

#include <sys/ioctl.h>
#include <termios.h>

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "builder/sandbox/signals.h"

namespace acetate::sandbox {

class Console {
 public:
  // Listens in `dir` under kSocketName. `in` and `out` are the person's; `in` is put into raw mode once the
  // container's terminal has come, if it is a terminal.
  static Result<Console> listen(const std::string& dir, FdRef in, FdRef out);
  Console(Console&&) = default;
  Console& operator=(Console&&) = delete;
  ~Console();  // gives the person's terminal its mode back

  static constexpr const char* kSocketName = "console.sock";

  // What to wait for now; the callbacks move the bytes. The object must stay where it is meanwhile.
  std::vector<Watched> watch();
  // The person's window changed.
  void resize() const;
  // What the container wrote before it ended.
  Result<void> drain();

 private:
  Console(Fd listener, FdRef in, FdRef out) : listener_(std::move(listener)), in_(in), out_(out) {}
  Result<void> receive();
  Result<void> from_person();
  Result<void> from_container();

  Fd listener_;
  Fd terminal_;  // ours of the container's
  FdRef in_, out_;
  bool in_ended_ = false;
  bool hung_up_ = false;
  std::string pending_;  // typed, and not yet taken by the container
  std::optional<termios> before_;
};

}  // namespace acetate::sandbox
