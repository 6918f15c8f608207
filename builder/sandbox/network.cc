#include "builder/sandbox/network.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <charconv>
#include <span>
#include <nlohmann/json.hpp>

#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/unix_socket.h"
#include "base/sys/userns.h"
#include "builder/sandbox/sysctls.h"

namespace acetate::sandbox {

namespace {

struct Furnished {
  int code = 0;
  int sysctl = -1;  // which of those that were asked for it was about
};

// In the new namespace. Its root is not the container's where that has a user namespace of its own, so what it would
// need a capability for here is allowed to everybody in it, where that can be: ports below 1024, and ping.
Furnished furnish(const std::string& file, const std::vector<Sysctl>& defaults, const std::vector<Sysctl>& sysctls) {
  const auto bound = sys::mount("/proc/self/ns/net", file.c_str(), nullptr, MS_BIND, nullptr);
  if (!bound) return {.code = bound.error().code()};
  for (const Sysctl& sysctl : defaults) static_cast<void>(set_sysctl(sysctl).has_value());
  for (std::size_t i = 0; i < sysctls.size(); ++i)
    if (const auto set = kind_of(sysctls[i].first) == SysctlKind::network ? set_sysctl(sysctls[i]) : Result<void>(); !set)
      return {.code = set.error().code(), .sysctl = static_cast<int>(i)};
  return {};
}

Result<void> make_namespace(const std::string& file, const std::vector<Sysctl>& sysctls) {
  { const Fd made = TRY_WITHIN(sys::open(file, O_WRONLY | O_CREAT, 0600), "making {}", file); }
  const auto defaults = network_defaults(TRY(sys::current_gid_map()));
  sys::Pipe told = TRY(sys::make_pipe());
  const pid_t pid = TRY_WITHIN(sys::fork_into(CLONE_NEWNET), "making a network namespace");
  if (pid == 0) {
    const Furnished done = furnish(file, defaults, sysctls);
    ::_exit(sys::write_full(told.write.ref(), std::as_bytes(std::span(&done, 1))) ? 0 : 1);
  }
  sys::Child child(pid);
  told.write.reset();
  Furnished done;
  const std::size_t got = TRY(sys::read(told.read.ref(), std::as_writable_bytes(std::span(&done, 1))));
  TRY(child.wait());
  if (got != sizeof done) return fail(EIO, "setting up a network namespace: whoever did it is gone");
  if (done.sysctl >= 0) return Error(done.code).within(fmt::format("setting {} of the container's network", sysctls[static_cast<std::size_t>(done.sysctl)].first));
  return done.code == 0 ? Result<void>() : Result<void>(Error(done.code).within("setting up a network namespace"));
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
  TRY(make_namespace(helper.path_, spec.sysctls));
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
