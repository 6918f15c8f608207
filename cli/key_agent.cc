#include "cli/key_agent.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/sys/file.h"

namespace acetate::cli {

namespace {

Result<std::string> program(const std::string& name) {
  auto found = sys::find_program(name);
  if (!found && found.error().is(ENOENT)) return fail(ENOENT, "{} is not installed (openssh-client), and holds keys for --ssh; or give an agent's socket", name);
  return found;
}

// It says where it listens when it does.
Result<sys::Child> start_agent(const std::string& socket) {
  auto [read, write] = TRY(sys::make_pipe());
  const Fd null = TRY(sys::open("/dev/null", O_RDWR));
  const std::string agent_program = TRY(program("ssh-agent"));
  auto agent = TRY(sys::spawn({.argv = {agent_program, "-D", "-a", socket},
                               .fds = {{null.ref(), STDIN_FILENO}, {write.ref(), STDOUT_FILENO}, {null.ref(), STDERR_FILENO}},
                               .new_session = true,
                               .die_with_parent = true}));
  write = Fd();
  char first = 0;
  if (TRY(sys::read(read.ref(), std::as_writable_bytes(std::span(&first, 1)))) == 0) return fail(EIO, "ssh-agent ended at once");
  return agent;
}

// By its standard input, so that nothing hangs on the file's mode.
Result<void> add_key(const std::string& socket, const std::string& key) {
  const Fd file = TRY_WITHIN(sys::open(key, O_RDONLY | O_NONBLOCK), "reading {}", key);
  const std::string add = TRY(program("ssh-add"));
  const auto added = TRY(sys::run_captured({.argv = {add, "-q", "-"},
                                            .env = std::vector<std::string>{"SSH_AUTH_SOCK=" + socket, "SSH_ASKPASS_REQUIRE=never", "PATH=/usr/bin:/bin"},
                                            .fds = {{file.ref(), STDIN_FILENO}},
                                            .new_session = true}));
  if (added.exit.ok()) return {};
  std::string why = added.err.substr(0, added.err.find('\n'));
  return fail(EACCES, "{} is no key that can be used without a passphrase{}", key, why.empty() ? "" : ": " + why);
}

}  // namespace

Result<KeyAgent> KeyAgent::start(const std::vector<std::string>& keys) {
  sandbox::Scratch dir = TRY(sandbox::Scratch::temporary());
  const std::string socket = dir / "agent";
  sys::Child agent = TRY(start_agent(socket));
  for (const std::string& key : keys) TRY(add_key(socket, key));
  return KeyAgent(std::move(dir), std::move(agent));
}

}  // namespace acetate::cli
