#include "builder/sandbox/network.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/unix_socket.h"
#include "base/sys/userns.h"

namespace acetate::sandbox {

namespace {

Result<void> write_sysctl(const char* path, std::string_view value) {
  const Fd file = TRY(sys::open(path, O_WRONLY));
  return sys::write_full(file.ref(), value);
}

// In the new namespace. Its root is not the container's where that has a user namespace of its own, so what it would
// need a capability for here is allowed to everybody in it: ports below 1024, and ping.
Result<void> furnish(const std::string& file) {
  TRY(sys::mount("/proc/self/ns/net", file.c_str(), nullptr, MS_BIND, nullptr));
  TRY(write_sysctl("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"));
  // Not with one id, where the range names groups that are none.
  static_cast<void>(write_sysctl("/proc/sys/net/ipv4/ping_group_range", "0 65534").has_value());
  return {};
}

Result<void> make_namespace(const std::string& file) {
  { const Fd made = TRY_WITHIN(sys::open(file, O_WRONLY | O_CREAT, 0600), "making {}", file); }
  const pid_t pid = TRY_WITHIN(sys::fork_into(CLONE_NEWNET), "making a network namespace");
  if (pid == 0) {
    const auto done = furnish(file);
    ::_exit(done ? 0 : done.error().code());
  }
  sys::Child child(pid);
  const sys::Exit exit = TRY(child.wait());
  if (exit.ok()) return {};
  return Error(exit.signal ? EIO : exit.code).within("setting up a network namespace");
}

Result<std::string> find_helper(const char* name, const char* package) {
  auto program = sys::find_program(name);
  if (!program) return fail(ENOENT, "{} is not installed, which --network {} needs (apt install {})", name, name, package);
  if (auto tun = sys::open("/dev/net/tun", O_RDWR); !tun)
    return fail(tun.error().code(), "/dev/net/tun may not be opened, which {} needs: {} (as root: chmod 666 /dev/net/tun; in a container: --device /dev/net/tun)",
                name, tun.error().message());
  return program;
}

Error complain(const char* name, const sys::Exit& exit, std::string said) {
  while (said.ends_with('\n')) said.pop_back();
  return fail(EIO, "{} {}{}{}", name, exit.describe(), said.empty() ? "" : ": ", said);
}

// Goes into the background once the network is there.
Result<pid_t> start_pasta(const Spec& spec, const std::string& ns, const std::string& dir) {
  const std::string program = TRY(find_helper("pasta", "passt"));
  const std::string pid_file = dir + "/pasta.pid";
  const Fd null = TRY(sys::open("/dev/null", O_RDWR));
  // Its words go to a file: the one in the background would keep a pipe open.
  const std::string log = dir + "/pasta.log";
  const Fd words = TRY(sys::open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  sys::Child child = TRY(sys::spawn({.argv = pasta_command(program, spec, ns, pid_file),
                                     .fds = {{null.ref(), 0}, {words.ref(), 1}, {words.ref(), 2}},
                                     .new_session = true}));
  const sys::Exit exit = TRY(child.wait());
  if (!exit.ok()) return complain("pasta", exit, TRY(sys::read_file(log, 1 << 16)));
  const std::string text = TRY_WITHIN(sys::read_file(pid_file, 64), "reading pasta's process id");
  pid_t pid = 0;
  std::from_chars(text.data(), text.data() + text.size(), pid);
  return pid;
}

// In its directory by this name: the whole path may be longer than a socket's.
constexpr const char* kSlirpSocket = "slirp.sock";

Result<void> ask_slirp(const std::string& dir, const Port& port) {
  const Fd at = TRY(sys::open(dir, O_PATH | O_DIRECTORY));
  const Fd connection = TRY_WITHIN(sys::connect_unix(at.ref(), kSlirpSocket, sys::SocketKind::stream), "asking slirp4netns for a port");
  TRY(sys::send_full(connection.ref(), slirp_request(port)));
  TRY(sys::end_of_request(connection.ref()));
  const std::string answer = TRY(sys::read_all(connection.ref(), 1 << 16));
  const auto json = nlohmann::json::parse(answer, nullptr, false);
  if (json.is_object() && !json.contains("error")) return {};
  return fail(EADDRINUSE, "slirp4netns does not publish port {}: {}", port.outside, answer);
}

Result<sys::Child> start_slirp(const Spec& spec, const std::string& ns, const std::string& dir) {
  const std::string program = TRY(find_helper("slirp4netns", "slirp4netns"));
  const std::string log = dir + "/slirp.log";
  sys::Pipe ready = TRY(sys::make_pipe());
  const Fd null = TRY(sys::open("/dev/null", O_RDWR));
  const Fd words = TRY(sys::open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  sys::Child child = TRY(sys::spawn({.argv = slirp_command(program, spec, ns),
                                     .cwd = dir,
                                     .fds = {{null.ref(), 0}, {words.ref(), 1}, {words.ref(), 2}, {ready.write.ref(), 3}},
                                     .new_session = true}));
  ready.write.reset();
  std::byte one{};
  if (TRY(sys::read(ready.read.ref(), std::span(&one, 1))) == 0)
    return complain("slirp4netns", TRY(child.wait()), TRY(sys::read_file(log, 1 << 16)));
  for (const Port& port : spec.ports) TRY(ask_slirp(dir, port));
  return child;
}

}  // namespace

std::vector<std::string> pasta_command(const std::string& program, const Spec& spec, const std::string& ns,
                                       const std::string& pid_file) {
  // As we are, which inside a user namespace is its root: pasta would become "nobody" and lose the namespace.
  std::vector<std::string> command{program, "--config-net", "--quiet", "--runas", "0", "--netns-only", "--netns", ns,
                                   "--pid", pid_file, "--dns-forward", kPastaNameserver};
  for (const bool udp : {false, true}) {
    bool any = false;
    for (const Port& port : spec.ports) {
      if (port.udp != udp) continue;
      any = true;
      command.emplace_back(udp ? "-u" : "-t");
      command.push_back(fmt::format("{}{}{}:{}", port.address, port.address.empty() ? "" : "/", port.outside, port.inside));
    }
    // Else it forwards whatever somebody listens on.
    if (!any) command.insert(command.end(), {udp ? "-u" : "-t", "none"});
  }
  command.insert(command.end(), {"-T", "none", "-U", "none"});  // nothing of our loopback is reachable from inside
  return command;
}

std::vector<std::string> slirp_command(const std::string& program, const Spec& spec, const std::string& ns) {
  std::vector<std::string> command{program, "--configure", "--mtu=65520", "--disable-host-loopback", "--enable-sandbox", "--enable-seccomp", "--netns-type=path", "--ready-fd=3"};
  if (!spec.ports.empty()) command.insert(command.end(), {"--api-socket", kSlirpSocket});
  command.insert(command.end(), {ns, "tap0"});
  return command;
}

std::string slirp_request(const Port& port) {
  const nlohmann::json request{{"execute", "add_hostfwd"},
                               {"arguments",
                                {{"proto", port.udp ? "udp" : "tcp"},
                                 {"host_addr", port.address.empty() ? "0.0.0.0" : port.address},
                                 {"host_port", port.outside},
                                 {"guest_port", port.inside}}}};
  return request.dump();
}

Result<NetworkHelper> NetworkHelper::start(const Spec& spec, const std::string& dir) {
  NetworkHelper helper(dir + "/netns");
  TRY(make_namespace(helper.path_));
  if (spec.network == Network::pasta)
    helper.daemon_ = TRY(start_pasta(spec, helper.path_, dir));
  else
    helper.child_ = TRY(start_slirp(spec, helper.path_, dir));
  return helper;
}

NetworkHelper::NetworkHelper(NetworkHelper&& other) noexcept
    : path_(std::exchange(other.path_, {})), child_(std::move(other.child_)), daemon_(std::exchange(other.daemon_, 0)) {}

NetworkHelper::~NetworkHelper() {
  if (daemon_ > 0) ::kill(daemon_, SIGTERM);
  if (path_.empty()) return;
  static_cast<void>(sys::umount(path_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW).has_value());
}

}  // namespace acetate::sandbox
