#include "builder/sandbox/native_child.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>

#include "base/sys/call.h"
#include "base/sys/close_others.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/open.h"
#include "builder/sandbox/capability_number.h"
#include "builder/sandbox/exec_lookup.h"
#include "builder/sandbox/native_mounts.h"
#include "builder/sandbox/own_program.h"
#include "builder/sandbox/sysctls.h"

namespace acetate::sandbox {

namespace {

using Json = nlohmann::ordered_json;

// What an id of the container is in our user namespace.
std::uint32_t outside(const std::vector<sys::IdRange>& map, std::uint32_t id) {
  for (const auto& range : map)
    if (id >= range.inside && id - range.inside < range.count) return range.outside + (id - range.inside);
  return id;
}

// A call of the C library that says -1 and errno.
template <class F>
Result<void> try_call(F&& function) {
  return function() == 0 ? Result<void>() : Result<void>(Error(errno));
}

class Container {
 public:
  Container(const NativeChild& child, NativePipes& pipes) : child_(child), spec_(child.spec), pipes_(pipes) {}

  [[noreturn]] void become() {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    // What whoever called us ignores (nohup(1), a shell's & without job control), no shell of the container could set a trap for.
    for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
    // As runc has it: what a container makes, of a build above all, does not depend on who started it.
    ::umask(022);  // spec_.umask once nothing is made by us any more
    step(NativeStage::network, join_network());
    step(NativeStage::mounts, make_root());
    step(NativeStage::sysctls, set_sysctls());
    step(NativeStage::limits, set_oom_score());
    step(NativeStage::directory, make_directory());
    step(NativeStage::hostname, set_hostname());
    // Still in the session that the person's ^C reaches.
    if (child_.hooks.any()) prepare_with_hooks();
    step(NativeStage::mounts, seal_root(child_.config, root_.ref(), child_.no_devices));
    if (::setsid() < 0) step(NativeStage::terminal, Error(errno));
    step(NativeStage::keyring, leave_keyring());
    step(NativeStage::terminal, spec_.terminal ? open_terminal() : redirect());
    step(NativeStage::root, enter_root());
    close_others();
    step(NativeStage::limits, set_limits(When::with_our_rights));
    step(NativeStage::ids, enter_users());
    step(NativeStage::directory, try_call([&] { return ::chdir(spec_.cwd.c_str()); }));
    // With new privileges still to be had, the filter needs the right to install it, so it comes first; it lets
    // through all that follows. Without, last, since one that plays root would play it for us too.
    const bool first = !child_.config["process"]["noNewPrivileges"].get<bool>();
    if (first) step(NativeStage::filter, install_filter());
    // From here on others may be as mighty as we are, who see our pid where it is shared (--pid host), and /proc/PID/exe is still our own program: nobody but who may trace
    // anybody is let to it. Executing the command takes it back.
    step(NativeStage::capabilities, try_call([] { return ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }));
    step(NativeStage::capabilities, drop_bounding());
    step(NativeStage::ids, change_ids());
    step(NativeStage::capabilities, keep_capabilities());
    if (!first) {
      step(NativeStage::capabilities, try_call([] { return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }));
      step(NativeStage::filter, install_filter());
    }
    // Not before: the kernel forgets it whenever credentials change. A parent that died earlier left a pipe without
    // a writer, which enter_users() met.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::umask(spec_.umask);
    if (start_state_) start_with_hooks();
    execute();
  }

 private:
  void step(NativeStage stage, Result<void> done) {
    if (done) return;
    NativeFailure failure{stage, done.error().code()};
    what_.copy(failure.what, sizeof failure.what - 1);
    tell_failure(pipes_.failed.write.ref(), failure);
    ::_exit(125);
  }

  // Those outside come first, and whoever runs them tells us when they are done.
  void prepare_with_hooks() {
    step(NativeStage::hooks, sys::write_full(pipes_.ready.write.ref(), std::string_view("\n")));
    step(NativeStage::hooks, await_go());
    hook_step(child_.hooks.run(Hook::Stage::create_container, ::getpid()));
    step(NativeStage::hooks, sys::write_full(pipes_.ready.write.ref(), std::string_view("\n")));
    // While a file can be made: the filter of calls may refuse that.
    if (!child_.hooks.any(Hook::Stage::start_container)) return;
    auto state = child_.hooks.input(Hook::Stage::start_container, ::getpid());
    if (!state) return hook_step(std::move(state).error());
    start_state_ = *std::move(state);
  }

  // Programs of the image, perhaps, run by a process whose /proc/PID/exe is still ours.
  void start_with_hooks() {
    // Changed ids have set it anew.
    step(NativeStage::hooks, try_call([] { return ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }));
    // Of each when the ones before it have run: they may have changed where it leads.
    hook_step(child_.hooks.run(Hook::Stage::start_container, start_state_.ref(), [](const Hook& hook) -> Result<void> {
      if (TRY(leads_to_us(hook.path))) return fail(EACCES, "the startContainer hook {} leads out of the container", hook.path);
      return {};
    }));
  }

  void hook_step(const Result<void>& done) {
    if (done) return;
    what_ = done.error().message();
    step(NativeStage::hooks, Error(done.error().code()));
  }

  Result<void> await_go() {
    std::byte byte{};
    pipes_.go.one.reset();
    if (TRY(sys::read(pipes_.go.other.ref(), std::span(&byte, 1))) == 0) return Error(EPIPE);
    return {};
  }

  Result<void> set_hostname() {
    if (spec_.hostname.empty() || !spec_.own_uts) return {};
    return try_call([&] { return ::sethostname(spec_.hostname.data(), spec_.hostname.size()); });
  }

  Result<void> join_network() {
    if (spec_.surroundings.network_namespace.empty()) {
      if (spec_.network == Network::none) return raise_loopback();
      return {};
    }
    const Fd ns = TRY(sys::open(spec_.surroundings.network_namespace, O_RDONLY));
    return sys::setns(ns.ref(), CLONE_NEWNET);
  }

  static Result<void> raise_loopback();

  // While our own /proc can be reached: it shows the settings of whoever looks, and parts of the container's are read-only. What nobody wished for may be missing.
  Result<void> set_sysctls() {
    if (!child_.config["linux"].contains("sysctl")) return {};
    for (const auto& [name, value] : child_.config["linux"]["sysctl"].items()) {
      const auto set = set_sysctl({name, value.get<std::string>()});
      const bool wished = std::ranges::any_of(spec_.sysctls, [&name = name](const Sysctl& sysctl) { return sysctl.first == name; });
      if (set || !wished) continue;
      what_ = name;
      return set.error().clone();
    }
    return {};
  }

  // The same of a file that is its owner's alone to write, who we soon are not any more.
  Result<void> set_oom_score() {
    if (!spec_.oom_score) return {};
    what_ = "oom_score_adj";
    const Fd file = TRY(sys::open("/proc/self/oom_score_adj", O_WRONLY));
    TRY(sys::write_full(file.ref(), std::to_string(*spec_.oom_score)));
    what_.clear();
    return {};
  }

  // The keys of whoever called us are not the container's: it has a session keyring of its own, as runc makes one. Where none is to be had, for want of the call, of the
  // right to it or of room among the person's keys, there is none to be told of either.
  static Result<void> leave_keyring() {
    if (::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) >= 0) return {};
    for (const int code : {ENOSYS, EPERM, EACCES, EDQUOT})
      if (errno == code) return {};
    return Error(errno);
  }

  Result<void> make_root() {
    TRY(sys::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
    what_ = spec_.rootfs;
    TRY(sys::mount(spec_.rootfs.c_str(), spec_.rootfs.c_str(), nullptr, MS_BIND | MS_REC, nullptr));
    root_ = TRY(sys::open(spec_.rootfs, O_PATH | O_DIRECTORY));
    return make_mounts(child_.config, root_.ref(), child_.no_devices, what_);
  }

  // The working directory, where it lies on a volume or a tmpfs: elsewhere it is there already. What else is wrong with it chdir(2) says.
  Result<void> make_directory() {
    const RelPath cwd = TRY(RelPath::parse_clamped(spec_.cwd));
    const auto is_missing = [&](const RelPath& path) {
      const auto there = sys::open_beneath(root_.ref(), path, O_PATH | O_DIRECTORY);
      return !there && there.error().is(ENOENT);
    };
    if (!is_missing(cwd)) return {};
    what_ = spec_.cwd;
    RelPath path;
    for (const auto& name : cwd.components()) {
      path = path.child(name);
      if (!is_missing(path)) continue;
      const Fd parent = TRY(sys::open_beneath(root_.ref(), path.parent(), O_RDONLY | O_DIRECTORY));
      const std::string last(name);
      TRY(sys::mkdir({parent.ref(), last.c_str()}, 0755));
      // The umask must not decide what the container sees.
      const Fd made = TRY(sys::open({parent.ref(), last.c_str()}, O_PATH | O_DIRECTORY | O_NOFOLLOW));
      TRY(sys::chmod(made.ref(), 0755));
    }
    what_.clear();
    return {};
  }

  Result<void> enter_root() {
    what_.clear();
    TRY(sys::done(sys::Call::fchdir, [&] { return ::fchdir(root_.ref().fd); }));
    // The old root comes to lie over the new one, and is let go of.
    TRY(sys::pivot_root(".", "."));
    TRY(sys::umount(".", MNT_DETACH));
    root_.reset();
    return sys::done(sys::Call::chdir, [] { return ::chdir("/"); });
  }

  // From the container's own devpts, so that its processes find it by the name they are told.
  Result<void> open_terminal() {
    const Fd pts = TRY(sys::open({root_.ref(), "dev/pts"}, O_PATH | O_DIRECTORY));
    // Where the person's own /dev is shown, its devpts has another beside it.
    auto opened = sys::open({pts.ref(), "ptmx"}, O_RDWR | O_NOCTTY);
    if (!opened && opened.error().is(EACCES)) opened = sys::open({root_.ref(), "dev/ptmx"}, O_RDWR | O_NOCTTY | O_NOFOLLOW);
    const Fd master = TRY(std::move(opened));
    int locked = 0, number = -1;
    TRY(sys::done(sys::Call::ioctl, [&] { return ::ioctl(master.ref().fd, TIOCSPTLCK, &locked); }));
    TRY(sys::done(sys::Call::ioctl, [&] { return ::ioctl(master.ref().fd, TIOCGPTN, &number); }));
    const std::string name = std::to_string(number);
    const Fd slave = TRY(sys::open({pts.ref(), name.c_str()}, O_RDWR | O_NOCTTY));
    if (const auto& known = spec_.surroundings.console_size) {
      const winsize size{.ws_row = known->rows, .ws_col = known->columns, .ws_xpixel = 0, .ws_ypixel = 0};
      TRY(sys::done(sys::Call::ioctl, [&] { return ::ioctl(master.ref().fd, TIOCSWINSZ, &size); }));
    }
    TRY(sys::send_fd(pipes_.terminal.other.ref(), master.ref()));
    TRY(sys::done(sys::Call::ioctl, [&] { return ::ioctl(slave.ref().fd, TIOCSCTTY, 0); }));
    // Nothing is made in a /dev of the person's.
    if (has_own_dev(child_.config)) { const Fd console = TRY(sys::open({root_.ref(), "dev/console"}, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600)); }
    if (const auto place = sys::open({root_.ref(), "dev/console"}, O_PATH | O_NOFOLLOW); place)
      TRY(sys::mount(sys::ProcFdPath(slave.ref()).c_str(), sys::ProcFdPath(place->ref()).c_str(), nullptr, MS_BIND, nullptr));
    else if (!place.error().is(ENOENT)) return place.error().clone();
    // So that its user may open it by name. With one id it is everybody's already.
    constexpr gid_t kTty = 5;
    if (spec_.ids != IdMode::single)
      TRY(sys::chown(slave.ref(), outside(spec_.surroundings.child_uids, spec_.uid), outside(spec_.surroundings.child_gids, kTty)));
    for (const int fd : {0, 1, 2})
      TRY(sys::done(sys::Call::dup, [&] { return ::dup2(slave.ref().fd, fd) == fd ? 0 : -1; }));
    return {};
  }

  Result<void> redirect() {
    for (const auto& [fd, as] : {std::pair{child_.stdio.in, 0}, std::pair{child_.stdio.out, 1}, std::pair{child_.stdio.err, 2}})
      if (fd && fd.fd != as) TRY(sys::done(sys::Call::dup, [&, fd = fd, as = as] { return ::dup2(fd.fd, as) == as ? 0 : -1; }));
    return {};
  }

  // Of what was open in whoever we are a copy of, what is still to be used. No Fd is let go of from here on: an exec or _exit() is the end.
  void close_others() {
    std::vector<int> needed;
    for (const FdRef fd : {pipes_.failed.write.ref(), pipes_.ready.write.ref(), pipes_.go.other.ref(), pipes_.owners.other.ref(), start_state_.ref()})
      if (fd) needed.push_back(fd.fd);
    std::ranges::sort(needed);
    sys::close_all_but(needed);
  }

  // As many descriptors as a limit must allow for us to open what we still have to.
  static constexpr rlim_t kEnough = 32;
  // With our rights, and before a filter that may refuse it, as runc does; but for fewer descriptors than we need ourselves, which come last.
  enum class When { with_our_rights, last };
  Result<void> set_limits(When when) {
    for (const Limit& limit : spec_.limits) {
      what_ = limit.name;
      const int number = limit_number(limit.name);
      rlimit wanted{.rlim_cur = limit.soft, .rlim_max = limit.hard};
      const bool too_few = number == RLIMIT_NOFILE && wanted.rlim_cur < kEnough;
      if (too_few != (when == When::last)) {
        if (!too_few || wanted.rlim_max < kEnough) continue;
        wanted.rlim_cur = kEnough;
      }
      TRY(try_call([&] { return ::setrlimit(static_cast<__rlimit_resource>(number), &wanted); }));
    }
    what_.clear();
    return {};
  }

  static int limit_number(const std::string& name);

  // Last of the namespaces, so that its root owns none of the others.
  Result<void> enter_users() {
    if (child_.own_users) {
      // Whoever may mount needs mounts of their own for it: a copy, in which what stands already is locked, masks included.
      TRY(sys::unshare(CLONE_NEWUSER | (is_given(CAP_SYS_ADMIN) ? CLONE_NEWNS : 0)));
      TRY(sys::write_full(pipes_.ready.write.ref(), std::string_view("\n")));
    }
    return await_go();
  }

  Result<void> change_ids() {
    const Json& user = child_.config["process"]["user"];
    const auto uid = user["uid"].get<uid_t>();
    const auto gid = user["gid"].get<gid_t>();
    std::vector<gid_t> groups;
    if (user.contains("additionalGids")) groups = user["additionalGids"].get<std::vector<gid_t>>();
    TRY(try_call([] { return ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0); }));
    // Denied where there is one id, which has no groups to give away.
    if (!spec_.keep_groups && ::setgroups(groups.size(), groups.data()) != 0 && spec_.ids != IdMode::single) return Error(errno);
    TRY(try_call([&] { return ::setresgid(gid, gid, gid); }));
    return try_call([&] { return ::setresuid(uid, uid, uid); });
  }

  bool is_given(int capability) const {
    return std::ranges::any_of(spec_.capabilities, [&](const auto& name) { return capability_number(name) == capability; });
  }

  Result<void> drop_bounding() {
    for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability)
      if (!is_given(capability)) TRY(try_call([&] { return ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0); }));
    return {};
  }

  // Inheritable and ambient stay empty: they would survive an exec by a user who is not root.
  Result<void> keep_capabilities() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct now[2] = {}, data[2] = {};
    TRY(try_call([&] { return static_cast<int>(::syscall(SYS_capget, &header, now)); }));
    for (int capability = 0; capability < 64; ++capability)
      if (is_given(capability)) data[capability / 32].permitted |= 1U << (capability % 32);
    for (int half : {0, 1}) {
      data[half].permitted &= now[half].permitted;
      data[half].effective = data[half].permitted;
    }
    TRY(try_call([] { return ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); }));
    return try_call([&] { return static_cast<int>(::syscall(SYS_capset, &header, data)); });
  }

  Result<void> install_filter() {
    if (child_.filter.empty()) return {};
    std::string program = child_.filter;
    const sock_fprog filter{.len = static_cast<unsigned short>(program.size() / sizeof(sock_filter)),
                            .filter = reinterpret_cast<sock_filter*>(program.data())};
    if (!child_.filter_asks) return try_call([&] { return static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter)); });
    const long listener = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
    if (listener < 0) return Error(errno);
    const Fd owned(Adopt{}, static_cast<int>(listener));
    return sys::send_fd(pipes_.owners.other.ref(), owned.ref());
  }

  [[noreturn]] void execute() {
    std::vector<char*> argv, env;
    for (const std::string& word : spec_.argv) argv.push_back(const_cast<char*>(word.c_str()));
    for (const std::string& entry : spec_.env) env.push_back(const_cast<char*>(entry.c_str()));
    argv.push_back(nullptr);
    env.push_back(nullptr);
    sys::close_all_on_exec_but({});
    int code = ENOENT;
    std::vector<std::string> ours_not;
    for (std::string& path : command_candidates(spec_)) {
      auto ours = leads_to_us(path);
      if (!ours) step(NativeStage::execute, std::move(ours).error());
      if (*ours) code = EACCES;
      else ours_not.push_back(std::move(path));
    }
    step(NativeStage::limits, set_limits(When::last));
    for (const std::string& path : ours_not) {
      ::execve(path.c_str(), argv.data(), env.data());
      if (errno != ENOENT && errno != ENOTDIR) code = errno;
    }
    step(NativeStage::execute, Error(code));
    ::_exit(125);
  }

  const NativeChild& child_;
  const Spec& spec_;
  NativePipes& pipes_;
  Fd root_;
  Fd start_state_;  // for the hooks that are run in the container, if there are any
  std::string what_;
};

Result<void> Container::raise_loopback() {
  const Fd socket(Adopt{}, TRY(sys::checked(sys::Call::socket, [] { return ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); })));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return sys::done(sys::Call::ioctl, [&] { return ::ioctl(socket.ref().fd, SIOCSIFFLAGS, &request); });
}

int Container::limit_number(const std::string& name) {
  static const std::pair<const char*, int> kNumbers[] = {
      {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_CPU", RLIMIT_CPU},
      {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_FSIZE", RLIMIT_FSIZE},       {"RLIMIT_LOCKS", RLIMIT_LOCKS},
      {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
      {"RLIMIT_NOFILE", RLIMIT_NOFILE},   {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_RSS", RLIMIT_RSS},
      {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
      {"RLIMIT_STACK", RLIMIT_STACK},
  };
  for (const auto& [known, number] : kNumbers)
    if (name == known) return number;
  return -1;
}

}  // namespace

const char* name_of(NativeStage stage) noexcept {
  static constexpr const char* kNames[] = {"entering its cgroup", "making its namespaces", "joining its network", "mounting", "setting", "running its hooks", "entering its root", "setting its hostname", "leaving our keyring",
                                           "making its terminal", "entering its working directory", "setting the limit", "mapping its ids",
                                           "setting its capabilities", "installing its system call filter", "executing"};
  return kNames[static_cast<std::size_t>(stage)];
}

void tell_failure(FdRef pipe, const NativeFailure& failure) noexcept {
  // A pipe takes so much at once or not at all; whoever reads is told by its end otherwise.
  static_cast<void>(sys::write_full(pipe, std::as_bytes(std::span(&failure, 1))).has_value());
}

Result<NativePipes> make_native_pipes() {
  NativePipes pipes;
  pipes.pid = TRY(sys::make_pipe());
  pipes.ready = TRY(sys::make_pipe());
  pipes.go = TRY(sys::make_socket_pair());
  pipes.failed = TRY(sys::make_pipe());
  pipes.terminal = TRY(sys::make_socket_pair());
  pipes.owners = TRY(sys::make_socket_pair());
  return pipes;
}

void become_container(const NativeChild& child, NativePipes& pipes) { Container(child, pipes).become(); }

}  // namespace acetate::sandbox
