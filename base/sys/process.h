// Starting other programs and waiting for them: what a child is to be, described first, then started.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

// How a process ended.
struct Exit {
  int code = 0;                   // exit(3) status, meaningful without a signal
  std::optional<int> signal = {};  // what killed it
  bool ok() const noexcept { return !signal && code == 0; }
  // As a shell says it: the code, or 128 + the signal's number.
  int shell_code() const noexcept { return signal ? 128 + *signal : code; }
  std::string describe() const;  // "exited with 3", "was killed by SIGSEGV"
};

// Which descriptor of ours becomes which number in the child. Every other descriptor is closed in it.
struct Inherit {
  FdRef fd;
  int as;
};

struct Command {
  std::vector<std::string> argv;                    // argv[0] is looked up in PATH when it has no slash
  std::string program = {};                         // its path, where argv[0] is only what it is called
  std::optional<std::vector<std::string>> env = {};  // "K=V"; ours when absent
  std::string cwd = {};                              // ours when empty
  std::vector<Inherit> fds = {};                     // 0, 1, 2 not named here are inherited as they are
  bool new_session = false;                          // setsid()
  bool die_with_parent = false;                      // PR_SET_PDEATHSIG, SIGKILL; tied to the calling thread
};

// A descriptor that polls readable once the process ended, be it anybody's (Linux 5.3; ENOSYS before).
Result<Fd> pidfd_open(pid_t pid);

// A running child. Owns it: the destructor kills (SIGKILL) and reaps a child nobody waited for, so none is
// ever left behind; release() gives the child up.
class Child {
 public:
  Child() = default;
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  ~Child();

  pid_t pid() const noexcept { return pid_; }
  explicit operator bool() const noexcept { return pid_ > 0; }
  Result<Exit> wait();
  // Nothing while it runs.
  Result<std::optional<Exit>> poll();
  Result<void> kill(int signal);
  // As pidfd_open().
  Result<Fd> pidfd() const { return pidfd_open(pid_); }
  pid_t release() noexcept;

 private:
  pid_t pid_ = -1;
};

// Starts it. A program that cannot be executed is an error here, with its name in words (ENOENT: not found in
// PATH; EACCES: not executable), not an exit code later. Safe in a program with threads.
Result<Child> spawn(const Command& command);

// spawn() and wait(), with what it wrote on stdout and stderr (each up to 1 MiB, the rest is dropped).
struct Captured {
  Exit exit;
  std::string out;
  std::string err;
};
Result<Captured> run_captured(const Command& command);

// Where a program is, by PATH and then the sbin directories that plain users lack; ENOENT bare.
Result<std::string> find_program(const std::string& name);

// A pipe, both ends close-on-exec: {read end, write end}.
struct Pipe {
  Fd read;
  Fd write;
};
Result<Pipe> make_pipe();

}  // namespace acetate::sys
