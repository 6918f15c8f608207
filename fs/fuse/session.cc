#include "fs/fuse/session.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/sys/file.h"
#include "base/sys/process.h"
#include "fs/fuse/ops.h"

namespace acetate::fs {

namespace {

// libfuse's arguments, which it may reallocate.
class Arguments {
 public:
  explicit Arguments(const std::string& program) { add(program); }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;
  ~Arguments() { fuse_opt_free_args(&args_); }
  void add(const std::string& word) {
    if (fuse_opt_add_arg(&args_, word.c_str()) != 0) throw std::bad_alloc();
  }
  fuse_args* get() { return &args_; }

 private:
  fuse_args args_ = FUSE_ARGS_INIT(0, nullptr);
};

ssize_t socket_read(int fd, void* buffer, std::size_t size, void*) {
  const ssize_t count = ::read(fd, buffer, size);
  if (count != 0) return count;
  errno = ENODEV;  // what /dev/fuse says when the file system is gone; libfuse then ends its loop cleanly
  return -1;
}
ssize_t socket_writev(int fd, iovec* parts, int count, void*) { return ::writev(fd, parts, count); }

// What can be said beforehand, in better words than libfuse's.
Result<void> check_device(const std::string& mountpoint) {
  if (mountpoint.starts_with("/dev/fd/")) return {};  // somebody mounted for us
  auto opened = sys::open("/dev/fuse", O_RDWR);
  if (opened) return {};
  const int code = opened.error().code();
  if (code == ENOENT || code == ENODEV || code == ENXIO)
    return fail(code, "there is no /dev/fuse: load the module (modprobe fuse), or give the container --device /dev/fuse");
  if (code == EACCES || code == EPERM)
    return fail(code, "/dev/fuse cannot be opened ({}): its mode should be 0666 (chmod 666 /dev/fuse, or your system's udev rule)",
                opened.error().message());
  return std::move(opened).error().within("opening /dev/fuse");
}

std::string why_not_mounted(const std::string& mountpoint, const SessionOptions& options) {
  std::string hint;
  if (::geteuid() != 0) {
    if (!sys::find_program("fusermount3"))
      hint = ": a plain user needs fusermount3 (apt install fuse3), or a user namespace";
    else if (std::count(options.mount_options.begin(), options.mount_options.end(), "allow_other") != 0 ||
             std::count(options.mount_options.begin(), options.mount_options.end(), "allow_root") != 0)
      hint = ": allow_other needs user_allow_other in /etc/fuse.conf";
  }
  return fmt::format("cannot mount at {}{}", mountpoint, hint);
}

unsigned thread_count(unsigned asked) {
  return asked != 0 ? asked : std::clamp(std::thread::hardware_concurrency(), 2U, 8U);
}

}  // namespace

struct Session::Impl {
  Impl(Overlay& overlay, const SessionOptions& how)
      : context{.overlay = overlay,
                .timeout = how.timeout,
                .keep_cache = how.timeout > 0,
                .durable = how.durable,
                .xattrs = how.xattrs,
                .acl = how.acl,
                .writeback = how.writeback,
                .killpriv = how.unprivileged},
        table(operations(context)),
        threads(thread_count(how.threads)) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (session == nullptr) return;
    if (signals) fuse_remove_signal_handlers(session);
    if (mounted) fuse_session_unmount(session);
    fuse_session_destroy(session);
  }

  Result<void> make(const SessionOptions& how) {
    Arguments arguments(how.name);
    if (how.debug) arguments.add("-d");
    arguments.add("-o");
    arguments.add("fsname=" + (how.fsname.empty() ? how.name : how.fsname) + ",subtype=" + how.name);
    for (const std::string& option : how.mount_options) {
      arguments.add("-o");
      arguments.add(option);
    }
    session = fuse_session_new(arguments.get(), &table, sizeof table, &context);
    if (session == nullptr) return fail(EINVAL, "libfuse refused the mount options");
    return {};
  }

  Served context;
  fuse_lowlevel_ops table;
  unsigned threads;
  fuse_session* session = nullptr;
  bool mounted = false;
  bool signals = false;
};

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<Session> Session::mount(Overlay& overlay, const std::string& mountpoint, const SessionOptions& options) {
  TRY(check_device(mountpoint));
  auto impl = std::make_unique<Impl>(overlay, options);
  TRY(impl->make(options));
  if (fuse_set_signal_handlers(impl->session) != 0) return fail(EINVAL, "cannot set signal handlers");
  impl->signals = true;
  errno = 0;
  if (fuse_session_mount(impl->session, mountpoint.c_str()) != 0)
    return Error(errno != 0 ? errno : EPERM, why_not_mounted(mountpoint, options));
  impl->mounted = true;
  return Session(std::move(impl));
}

Result<Session> Session::on(Overlay& overlay, Fd connection, const SessionOptions& options) {
  auto impl = std::make_unique<Impl>(overlay, options);
  TRY(impl->make(options));
  static const fuse_custom_io kSocket = {
      .writev = socket_writev, .read = socket_read, .splice_receive = nullptr, .splice_send = nullptr};
  const int failed = fuse_session_custom_io(impl->session, &kSocket, connection.ref().fd);
  if (failed != 0) return fail(-failed, "libfuse refused the connection");
  (void)connection.release();  // closed by fuse_session_destroy
  return Session(std::move(impl));
}

Result<int> Session::serve() {
  fuse_loop_config* config = fuse_loop_cfg_create();
  if (config == nullptr) return Error(ENOMEM);
  // One /dev/fuse for all threads, and no thread ended for being idle: making them anew costs more than a request.
  fuse_loop_cfg_set_clone_fd(config, 0);
  fuse_loop_cfg_set_max_threads(config, impl_->threads);
  fuse_loop_cfg_set_idle_threads(config, impl_->threads);
  const int ended = fuse_session_loop_mt(impl_->session, config);
  fuse_loop_cfg_destroy(config);
  if (ended < 0 && ended != -ENODEV) return Error(-ended).within("serving the mount");
  return ended > 0 ? ended : 0;
}

}  // namespace acetate::fs
