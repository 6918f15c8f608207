#include "builder/sandbox/owner_recorder.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <span>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/scope.h"
#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/process.h"
#include "base/sys/signals.h"
#include "base/sys/unix_socket.h"
#include "base/sys/xattr.h"
#include "fs/owner_note.h"

namespace acetate::sandbox {

namespace {

// Which of a call's arguments is what; -1: it has none of that.
struct Shape {
  std::string_view name;
  int dir, path, owner, flags;
  bool follows;  // a symlink at the end
  bool is_narrow = false;  // 16-bit ids, where the architecture has a call with wide ones beside it
};

constexpr std::array<Shape, 7> kShapes{{
    {"chown", -1, 0, 1, -1, true, true},
    {"lchown", -1, 0, 1, -1, false, true},
    {"fchown", 0, -1, 1, -1, true, true},
    {"chown32", -1, 0, 1, -1, true},
    {"lchown32", -1, 0, 1, -1, false},
    {"fchown32", 0, -1, 1, -1, true},
    {"fchownat", 0, 1, 2, 4, true},
}};

bool has_narrow_ids(std::uint32_t architecture) {
  return architecture == SCMP_ARCH_X86 || architecture == SCMP_ARCH_ARM || architecture == SCMP_ARCH_S390;
}

const Shape* shape_of(const seccomp_data& call) {
  char* name = ::seccomp_syscall_resolve_num_arch(call.arch, call.nr);
  if (name == nullptr) return nullptr;
  const Undo release{[&] { std::free(name); }};
  for (const Shape& shape : kShapes)
    if (shape.name == name) return &shape;
  return nullptr;
}

std::optional<std::uint32_t> id_of(std::uint64_t argument, bool narrow) {
  const auto id = static_cast<std::uint32_t>(argument);
  if (narrow) return (id & 0xffff) == 0xffff ? std::nullopt : std::optional(id & 0xffff);
  return id == static_cast<std::uint32_t>(-1) ? std::nullopt : std::optional(id);
}

// Room as the kernel wants it, which may be more than the structures we know have.
struct Exchange {
  seccomp_notif* request = nullptr;
  seccomp_notif_resp* reply = nullptr;
  Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() { ::seccomp_notify_free(request, reply); }
  Result<void> make() {
    const int answer = ::seccomp_notify_alloc(&request, &reply);
    return answer == 0 ? Result<void>() : Result<void>(Error(-answer));
  }
};

class Recorder final : public OwnerRecorder {
 public:
  Recorder(Fd proc, Fd root, dev_t mount, sys::Pipe stop) : proc_(std::move(proc)), root_(std::move(root)), mount_(mount), stop_(std::move(stop)) {}
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;
  ~Recorder() override {
    stop_.write.reset();
    if (thread_.joinable()) thread_.join();
  }

  Result<void> answer(Fd listener) override {
    return start([this, listener = std::make_shared<Fd>(std::move(listener))] { serve(listener->ref()); });
  }

  Result<void> answer_at(const std::string& path) override {
    const std::size_t slash = path.rfind('/');
    const Fd dir = TRY(sys::open(path.substr(0, slash), O_PATH | O_DIRECTORY));
    auto socket = std::make_shared<Fd>(TRY(sys::listen_unix(dir.ref(), path.substr(slash + 1), sys::SocketKind::stream)));
    return start([this, socket] {
      if (!await(socket->ref())) return;
      const auto runtime = sys::accept(socket->ref());
      if (!runtime || !await(runtime->ref())) return;
      // With it comes the container's state in JSON, of which nothing is needed.
      const auto listener = sys::receive_fd(runtime->ref());
      if (listener) serve(listener->ref());
      else log::warn("the runtime sent no descriptor to record owners by: {}", listener.error().message());
    });
  }

 private:
  template <class Work>
  Result<void> start(Work work) {
    const sys::SignalsHeldBack held;  // they are for the container, and who passes them on is another thread
    try {
      thread_ = std::thread(std::move(work));
    } catch (const std::system_error& error) {
      return fail(EAGAIN, "a thread that records owners: {}", error.what());
    }
    return {};
  }

  // False at the end: of us, or of all that could ask.
  bool await(FdRef what) const {
    std::array<pollfd, 2> watched{pollfd{what.fd, POLLIN, 0}, pollfd{stop_.read.ref().fd, POLLIN, 0}};
    const auto ready = sys::checked(sys::Call::poll, [&] { return ::poll(watched.data(), watched.size(), -1); });
    return ready && watched[1].revents == 0 && (watched[0].revents & POLLIN) != 0;
  }

  void serve(FdRef listener) {
    // From here on this thread has a root and a working directory of its own.
    Exchange exchange;
    if (auto made = exchange.make(); !made) return log::warn("owners are not recorded: {}", made.error().message());
    if (auto parted = sys::unshare(CLONE_FS); !parted) return log::warn("owners are not recorded: {}", parted.error().message());
    while (await(listener)) {
      *exchange.request = {};  // the kernel wants it empty
      if (const int answer = ::seccomp_notify_receive(listener.fd, exchange.request); answer != 0) {
        if (answer == -ENOENT || answer == -EINTR || answer == -ECANCELED) continue;  // who asked was killed meanwhile
        return log::warn("owners are not recorded any more: {}", Error(-answer).message());
      }
      const auto done = play(listener, *exchange.request);
      *exchange.reply = {};
      exchange.reply->id = exchange.request->id;
      exchange.reply->error = done ? 0 : -done.error().code();
      static_cast<void>(::seccomp_notify_respond(listener.fd, exchange.reply));  // who asked may be gone, and nobody else minds
    }
  }

  Result<void> play(FdRef listener, const seccomp_notif& request) {
    const Shape* shape = shape_of(request.data);
    if (shape == nullptr) return Error(ENOSYS);
    const auto& arguments = request.data.args;
    const bool narrow = shape->is_narrow && has_narrow_ids(request.data.arch);
    const fs::OwnerNote note{.uid = id_of(arguments[shape->owner], narrow), .gid = id_of(arguments[shape->owner + 1], narrow)};
    const std::string of = std::to_string(request.pid);

    const int flags = shape->flags < 0 ? 0 : static_cast<int>(arguments[shape->flags]);
    const int dir = shape->dir < 0 ? AT_FDCWD : static_cast<int>(arguments[shape->dir]);
    std::string path;
    if (shape->path >= 0) path = TRY(read_path(of, arguments[shape->path]));
    const bool itself = shape->path < 0 || (path.empty() && (flags & AT_EMPTY_PATH) != 0);
    if (!itself && path.empty()) return Error(ENOENT);
    const std::string base = of + (dir == AT_FDCWD ? "/cwd" : "/fd/" + std::to_string(dir));
    auto start = sys::open({proc_.ref(), base.c_str()}, O_PATH);
    if (!start) return Error(EBADF);
    const Fd root = TRY(sys::open({proc_.ref(), (of + "/root").c_str()}, O_PATH | O_DIRECTORY));
    // Its number is another process's by now, if it was killed.
    if (::seccomp_notify_id_valid(listener.fd, request.id) != 0) return Error(ESRCH);
    if (itself) return record(start->ref(), note);

    const bool follows = shape->follows && (flags & AT_SYMLINK_NOFOLLOW) == 0;
    auto found = look_up(root.ref(), start->ref(), path, follows);
    if (found) return record(found->ref(), note);
    // A link to a descriptor of the caller's, as /dev/stdout is one, leads nowhere for us; what it leads to is not on our mount.
    if (follows && (look_up(root.ref(), start->ref(), path, false) || path.starts_with("/proc/"))) return {};
    return std::move(found).error();
  }

  Result<std::string> read_path(const std::string& of, std::uint64_t address) const {
    const auto memory = sys::open({proc_.ref(), (of + "/mem").c_str()}, O_RDONLY);
    if (!memory) return Error(EFAULT);
    std::array<char, PATH_MAX> text;
    // It may end where nothing is mapped any more: a page at a time.
    constexpr std::size_t kPage = 4096;
    std::size_t have = 0;
    while (have < text.size()) {
      const std::size_t want = std::min(kPage - (address + have) % kPage, text.size() - have);
      const auto got = sys::pread(memory->ref(), std::as_writable_bytes(std::span(text).subspan(have, want)), address + have);
      if (!got || *got == 0) return Error(EFAULT);
      const std::string_view part(text.data() + have, *got);
      if (const std::size_t end = part.find('\0'); end != std::string_view::npos) return std::string(text.data(), have + end);
      have += *got;
    }
    return Error(ENAMETOOLONG);
  }

  // As somebody with that root and that working directory sees it.
  Result<Fd> look_up(FdRef root, FdRef start, const std::string& path, bool follows) const {
    const Undo back{[&] {
      if (auto returned = sys::change_root(root_.ref()); !returned) log::error("returning from a container's root: {}", returned.error().message());
    }};
    TRY(sys::change_root(root));
    if (!path.starts_with('/')) TRY(sys::done(sys::Call::fchdir, [&] { return ::fchdir(start.fd); }));
    return sys::open({kWorkingDir, path.c_str()}, O_PATH | (follows ? 0 : O_NOFOLLOW));
  }

  Result<void> record(FdRef object, const fs::OwnerNote& note) const {
    if (TRY(sys::stat(object)).st_dev != mount_) return {};
    if (!note.uid && !note.gid) return {};
    return sys::set_xattr(object, fs::kOwnerNote, fs::format_owner_note(note));
  }

  const Fd proc_, root_;
  const dev_t mount_;
  sys::Pipe stop_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<OwnerRecorder>> OwnerRecorder::make(FdRef rootfs) {
  if (::seccomp_api_get() < 5) return fail(ENOTSUP, "this kernel has no filters that ask");
  Fd proc = TRY(sys::open("/proc", O_PATH | O_DIRECTORY));
  const std::string ourselves = std::to_string(::getpid());
  if (TRY(sys::readlink({proc.ref(), "self"})) != ourselves) return fail(ENOTSUP, "/proc shows the processes of another namespace");
  Fd root = TRY(sys::open("/", O_PATH | O_DIRECTORY));
  const dev_t mount = TRY(sys::stat(rootfs)).st_dev;
  sys::Pipe stop = TRY(sys::make_pipe());
  return std::make_unique<Recorder>(std::move(proc), std::move(root), mount, std::move(stop));
}

Result<std::unique_ptr<OwnerRecorder>> record_owners(Spec& spec, FdRef rootfs, const std::string& dir, bool native) {
  const std::string path = dir + "/owners";
  if (!native && path.size() >= sizeof(sockaddr_un::sun_path)) {
    log::info("whom files are given to is not recorded: {} is too long for a socket", path);
    return std::unique_ptr<OwnerRecorder>();
  }
  auto owners = TRY(OwnerRecorder::make(rootfs));
  if (!native) TRY_WITHIN(owners->answer_at(path), "listening for calls that change owners");
  spec.surroundings.owner_listener = path;
  return owners;
}

const std::vector<std::string>& owner_calls() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Shape& shape : kShapes) all.emplace_back(shape.name);
    return all;
  }();
  return names;
}

}  // namespace acetate::sandbox
