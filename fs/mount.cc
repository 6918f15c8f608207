#include "fs/mount.h"

#include <poll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/log.h"
#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/self.h"
#include "fs/lowerdir.h"

namespace acetate::fs {

namespace {

// A datagram socket with a name the kernel picks (autobind gives an abstract one): nothing to clean up on disk.
struct ReadySocket {
  Fd fd;
  std::string name;  // as NOTIFY_SOCKET wants it, '@' for the leading NUL
};

Result<ReadySocket> make_ready_socket() {
  ReadySocket out;
  out.fd = Fd(Adopt{}, TRY(sys::checked(sys::Call::socket,
                                        [] { return ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); })));
  const int on = 1;  // the kernel tells who sent what
  if (::setsockopt(out.fd.ref().fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) return Error(errno);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socklen_t length = sizeof(sa_family_t);
  if (::bind(out.fd.ref().fd, reinterpret_cast<const sockaddr*>(&address), length) != 0) return Error(errno);
  length = sizeof address;
  if (::getsockname(out.fd.ref().fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return Error(errno);
  out.name.assign(address.sun_path, length - offsetof(sockaddr_un, sun_path));
  out.name[0] = '@';
  return out;
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  // The daemon's own name in front of its words says nothing new here.
  const std::string_view prefix = "fuse-overlay: ";
  if (text.starts_with(prefix)) text.erase(0, prefix.size());
  return text;
}

// True when the datagram that waits says READY=1 and comes from `daemon`: an abstract name is open to everybody.
Result<bool> says_ready(FdRef ready, pid_t daemon) {
  std::array<char, 256> text;
  iovec into{text.data(), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control;
  msghdr message{};
  message.msg_iov = &into;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const auto count = TRY(sys::checked(sys::Call::recvmsg, [&] { return ::recvmsg(ready.fd, &message, MSG_CMSG_CLOEXEC); }));
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_CREDENTIALS) return false;
  ucred sender{};
  std::memcpy(&sender, CMSG_DATA(header), sizeof sender);
  return sender.pid == daemon && std::string_view(text.data(), static_cast<std::size_t>(count)).starts_with("READY=1");
}

// Waits for READY=1, or for the daemon to end; everything it says meanwhile is collected.
Result<void> wait_ready(FdRef ready, FdRef err, sys::Child& daemon) {
  std::string said;
  std::array<char, 4096> buffer;
  std::array<pollfd, 2> watched{pollfd{ready.fd, POLLIN, 0}, pollfd{err.fd, POLLIN, 0}};
  for (;;) {
    TRY(sys::checked(sys::Call::poll, [&] { return ::poll(watched.data(), watched.size(), -1); }));
    if ((watched[0].revents & POLLIN) != 0 && TRY(says_ready(ready, daemon.pid()))) {
      // It speaks of what somebody has to know only, as far as nobody asked it for more.
      if (!said.empty()) log::warn("{}", trimmed(said));
      return {};
    }
    if (watched[1].revents != 0) {
      const std::size_t count = TRY(sys::read(err, std::as_writable_bytes(std::span(buffer))));
      if (count > 0) {
        said.append(buffer.data(), count);
        continue;
      }
      const sys::Exit exit = TRY(daemon.wait());  // its stderr is closed: it ended
      const std::string words = trimmed(said);
      return fail(EIO, "{}", words.empty() ? fmt::format("fuse-overlay {}", exit.describe()) : words);
    }
  }
}

bool is_executable(const std::string& path) {
  return sys::done(sys::Call::faccessat, [&] { return ::access(path.c_str(), X_OK); }).has_value();
}

}  // namespace

std::string option_line(const MountRequest& request) {
  std::string line = "lowerdir=";
  for (std::size_t i = 0; i < request.lowers.size(); ++i) {
    if (i > 0) line += ':';
    line += escape_path(request.lowers[i]);
  }
  if (request.upper) line += ",upperdir=" + escape_path(*request.upper);
  if (request.work) line += ",workdir=" + escape_path(*request.work);
  if (request.access_log) line += ",access_log=" + escape_path(*request.access_log);
  for (const std::string& option : request.options) line += "," + option;
  return line;
}

Result<std::string> find_daemon() {
  if (const char* named = ::getenv("ACETATE_FUSE_OVERLAY"); named != nullptr && *named != '\0') {
    if (!is_executable(named)) return fail(ENOENT, "ACETATE_FUSE_OVERLAY={} is not a program", named);
    return std::string(named);
  }
  if (auto beside = sys::find_beside_us({"/fuse-overlay", "/../fs/fuse/fuse-overlay"})) return beside;  // installed; in a build tree
  auto found = sys::find_program("fuse-overlay");
  if (!found) return fail(ENOENT, "fuse-overlay was found neither beside this program nor in PATH (ACETATE_FUSE_OVERLAY names one)");
  return found;
}

Mount::Mount(std::string target, sys::Child daemon, Fd lifeline)
    : target_(std::move(target)), lifeline_(std::move(lifeline)), daemon_(std::move(daemon)) {}
Mount::Mount(Mount&&) noexcept = default;
Mount& Mount::operator=(Mount&& other) noexcept {
  Mount moved(std::move(other));
  std::swap(target_, moved.target_);
  std::swap(lifeline_, moved.lifeline_);
  std::swap(daemon_, moved.daemon_);
  return *this;
}

pid_t Mount::daemon_pid() const noexcept { return daemon_.pid(); }

Result<Mount> Mount::start(const MountRequest& request, const std::function<void()>& meanwhile) {
  const std::string program = request.program.empty() ? TRY(find_daemon()) : request.program;
  ReadySocket ready = TRY_WITHIN(make_ready_socket(), "preparing to start {}", program);
  sys::Pipe err = TRY(sys::make_pipe());
  Fd null = TRY(sys::open("/dev/null", O_RDWR));
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!text.starts_with("NOTIFY_SOCKET=") && !text.starts_with("ACETATE_LIFELINE=")) environment.emplace_back(text);
  }
  environment.push_back("NOTIFY_SOCKET=" + ready.name);
  std::vector<sys::Inherit> fds = {{null.ref(), 0}, {null.ref(), 1}, {err.write.ref(), 2}};
  sys::Pipe lifeline;
  if (request.die_with_parent) {
    // Not PR_SET_PDEATHSIG: that means the thread that started it, and a killed daemon leaves a dead mount. At the end
    // of this pipe it unmounts.
    lifeline = TRY(sys::make_pipe());
    fds.push_back({lifeline.read.ref(), 3});
    environment.emplace_back("ACETATE_LIFELINE=3");
  }
  sys::Child daemon = TRY(sys::spawn({.argv = {program, "-f", "-o", option_line(request), request.target},
                                      .env = std::move(environment),
                                      .fds = std::move(fds),
                                      .new_session = true}));  // ^C at the terminal is for us, not for the mount
  err.write.reset();
  lifeline.read.reset();
  if (meanwhile) meanwhile();
  TRY(wait_ready(ready.fd.ref(), err.read.ref(), daemon));
  // From here on its words go to nobody; a pipe without a reader is EPIPE to it, and SIGPIPE is ignored there.
  return Mount(request.target, std::move(daemon), std::move(lifeline.write));
}

Result<void> Mount::check() {
  const auto ended = TRY(daemon_.poll());
  if (!ended) return {};
  (void)fs::unmount(target_, true);
  return fail(EIO, "what is mounted at {} was lost: fuse-overlay {}", target_, ended->describe());
}

Result<void> Mount::unmount() {
  if (!daemon_) return {};
  TRY(unmount_once_free(target_));
  const sys::Exit exit = TRY(daemon_.wait());
  if (!exit.ok()) return fail(EIO, "unmounting {}: fuse-overlay {}", target_, exit.describe());
  return {};
}

Mount::~Mount() {
  if (!daemon_) return;
  auto gone = unmount();
  if (gone) return;
  if (!daemon_) {
    log::warn("{}", gone.error().message());
    return;
  }
  (void)fs::unmount(target_, true);
  // A daemon whose mount was detached while in use lives until the last user is gone; it must not outlive us.
  (void)daemon_.kill(SIGTERM);
  (void)daemon_.wait();
}

Result<void> unmount_once_free(const std::string& path) {
  constexpr int kTries = 100;  // three seconds
  for (int tries = 1;; ++tries) {
    auto done = unmount(path, false);
    if (done || !done.error().is(EBUSY) || tries == kTries) return done;
    std::this_thread::sleep_for(std::chrono::milliseconds(1 << std::min(tries, 5)));
  }
}

Result<void> unmount(const std::string& path, bool lazy) {
  auto done = sys::umount(path.c_str(), UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0));
  if (done) return {};
  if (done.error().is(EINVAL)) return fail(EINVAL, "nothing is mounted at {}", path);
  if (done.error().is(EBUSY)) return fail(EBUSY, "{} is in use (a working directory or an open file lies in it)", path);
  if (!done.error().is(EPERM)) return std::move(done).error().within(fmt::format("unmounting {}", path));
  std::vector<std::string> argv = {"fusermount3", "-u"};
  if (lazy) argv.emplace_back("-z");
  argv.insert(argv.end(), {"--", path});
  auto helper = sys::run_captured({.argv = argv});
  if (!helper && helper.error().is(ENOENT))
    return fail(EPERM, "unmounting {} needs fusermount3 (apt install fuse3)", path);
  const sys::Captured said = TRY(std::move(helper));
  if (said.exit.ok()) return {};
  return fail(EBUSY, "unmounting {}: {}", path, trimmed(said.err));
}

}  // namespace acetate::fs
