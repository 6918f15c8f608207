#include "fs/fuse/session.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "fs/fuse/first_pages.h"
#include "fs/fuse/give_back.h"
#include "fs/fuse/kernel_release.h"
#include "fs/fuse/mounting.h"
#include "fs/fuse/ops.h"
#include "fs/fuse/passthrough.h"
#include "fs/fuse/signals.h"
#include "fs/fuse/stateless_files.h"
#include "fs/fuse/statx.h"
#include "fs/mount.h"

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

// A value inside libfuse's option list.
std::string escaped(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == ',' || c == '\\') text += '\\';
    text += c;
  }
  return text;
}

// The end of the connection is ENODEV, at which libfuse ends its loop without a word. Of other errors it would print a line, in a thread that the
// loop's end may cancel in the middle of that, and libfuse 3.14 takes the lock of stderr along: whoever prints next waits for ever.
ssize_t read_request(int fd, void* buffer, std::size_t size, void* user) {
  Served& context = *static_cast<Served*>(user);
  ssize_t count = 0;
  do {
    count = ::read(fd, buffer, size);
  } while (count > 0 && answer_statx(context, fd, buffer, static_cast<std::size_t>(count)));
  if (count > 0) context.wire.saw(buffer, static_cast<std::size_t>(count));
  if (count > 0 || (count < 0 && !means_unmounted(errno))) return count;
  errno = ENODEV;
  return -1;
}
ssize_t write_answer(int fd, iovec* parts, int count, void* user) {
  static_cast<Served*>(user)->wire.complete(parts, count);
  return ::writev(fd, parts, count);
}
constexpr fuse_custom_io kOurIo = {.writev = write_answer, .read = read_request, .splice_receive = nullptr, .splice_send = nullptr};

// Of what is mounted at `target`: never given to another mount, unlike its device number. Asked of the kernel's memory alone,
// so that a dead mount and our own can be asked about. Nothing before Linux 6.8.
std::optional<std::uint64_t> unique_mount_id(const std::string& target) {
  constexpr unsigned kMountIdUnique = 0x4000;  // STATX_MNT_ID_UNIQUE
  const auto st = sys::statx(FileAt{kWorkingDir, target.c_str()}, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, kMountIdUnique);
  if (!st || (st->stx_mask & kMountIdUnique) == 0) return std::nullopt;
  return st->stx_mnt_id;
}

// The device number of what is mounted at `target` now: the last line of the table that names it.
std::optional<dev_t> device_at(const std::string& target) {
  std::optional<dev_t> device;
  const auto table = sys::mounts();
  if (!table) return device;
  for (const sys::MountInfo& mount : *table)
    if (mount.mount_point == target) device = mount.device;
  return device;
}

// libfuse starts one only when a request comes and none is idle. More than processors, because an operation may wait: for a copy of a large
// file, the disk, or a layer's bytes to come; whoever asks for anything else must not wait with it.
unsigned thread_count(unsigned asked) {
  return asked != 0 ? asked : std::max(4 * std::thread::hardware_concurrency(), 16U);
}

// Tells the kernel from inside a request, which libfuse's README.notifications warns of: the kernel must need nothing for
// it that the request holds. Attributes are marked by a spinlock, and the cached pages of a listing are locked for moments
// only, never over a request (fs/fuse/inode.c, fuse_reverse_inval_inode(); fs/fuse/readdir.c). Pages of files and names
// could not be forgotten this way.
class KernelRememberer final : public Rememberer {
 public:
  void forget_attributes(Ino inode) noexcept override { tell(inode, -1); }
  void forget_listing(Ino dir) noexcept override { tell(dir, 0); }

  fuse_session* session = nullptr;

 private:
  // A negative offset: attributes only.
  void tell(Ino ino, off_t offset) noexcept {
    const int failed = fuse_lowlevel_notify_inval_inode(session, static_cast<fuse_ino_t>(ino), offset, 0);
    // ENOENT: the kernel does not know it any more.
    if (failed != 0 && failed != -ENOENT) log::debug("the kernel was not told of a changed inode: {}", Error(-failed).message());
  }
};

}  // namespace

struct Session::Impl {
  Impl(Overlay& overlay, const SessionOptions& how)
      : xattr_absence(how.xattr_absence),
        files(overlay),
        passthrough(overlay, rememberer, how.durable),
        first_pages(overlay),
        context{.overlay = overlay,
                .metrics = metrics,
                .gate = gate,
                .timeout = how.timeout,
                .keep_cache = how.timeout > 0,
                .durable = how.durable,
                .xattrs = how.xattrs,
                .xattr_absence = how.xattr_absence.get(),
                .acl = how.acl,
                .writeback = how.writeback,
                .exact = how.exact,
                .upper_drops_suid = how.upper_drops_suid,
                .give_back = &give_back,
                .first_pages = first_pages,
                .passthrough = how.passthrough && !how.writeback && !how.exact && !how.stateless && Passthrough::suits(overlay) ? &passthrough : nullptr,
                .stateless = how.stateless ? &files : nullptr,
                .wire = Wire(how.idmapped)},
        table(operations(context)),
        threads(thread_count(how.threads)),
        signals(how.signals),
        lifeline(how.lifeline) {
    overlay.set_rememberer(&rememberer);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    context.overlay.set_rememberer(nullptr);
    if (session == nullptr) return;
    leave_mountpoint();
    // libfuse leaves a mount whose connection was aborted as it is: everybody would get ENOTCONN from it until somebody
    // takes it away. What stands there by now may be the next mount, which is not ours to take.
    if (mount_id && unique_mount_id(target) == mount_id)
      if (auto gone = unmount(target, true); !gone) log::warn("{}", gone.error().message());
    fuse_session_destroy(session);
  }

  // Also what the kernel has unmounted already, of which libfuse knows.
  void leave_mountpoint() {
    if (std::exchange(mounted, false)) fuse_session_unmount(session);
  }

  Result<void> make(const SessionOptions& how) {
    Arguments arguments(how.name);
    if (how.debug) arguments.add("-d");
    arguments.add("-o");
    arguments.add("fsname=" + escaped(how.fsname.empty() ? how.name : how.fsname) + ",subtype=" + escaped(how.name));
    for (const std::string& option : how.mount_options) {
      arguments.add("-o");
      arguments.add(option);
    }
    session = fuse_session_new(arguments.get(), &table, sizeof table, &context);
    if (session == nullptr) return fail(EINVAL, "libfuse refused the mount options");
    rememberer.session = session;
    if (context.keep_cache && !context.exact) first_pages.begin(session, how.gives_ends.value_or(may_give_ends(kernel_release())));
    return {};
  }

  KernelRememberer rememberer;
  const std::shared_ptr<XattrAbsence> xattr_absence;
  StatelessFiles files;
  Passthrough passthrough;
  FirstPages first_pages;
  Metrics metrics;
  Gate gate;
  GiveBack give_back;
  Served context;
  fuse_lowlevel_ops table;
  unsigned threads;
  bool signals;
  FdRef lifeline;
  fuse_session* session = nullptr;
  bool mounted = false;
  Mutex refreshing;  // held until the kernel has been told
  bool has_left GUARDED_BY(refreshing) = false;  // its mountpoint, when it was served; a connection that was handed in has none
  std::string target = {};
  std::optional<dev_t> device = {};
  std::optional<std::uint64_t> mount_id = {};
};

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<Session> Session::mount(Overlay& overlay, const std::string& mountpoint, const SessionOptions& options) {
  const std::string target = TRY(resolve_mountpoint(mountpoint));
  if (!target.starts_with("/dev/fd/")) TRY(check_device());
  auto impl = std::make_unique<Impl>(overlay, options);
  const LibfuseMessages said;
  if (auto made = impl->make(options); !made) return fail(EINVAL, "{}", said.text());
  if (fuse_session_mount(impl->session, target.c_str()) != 0) {
    const std::string words = said.text();
    return fail(EPERM, "cannot mount at {}{}{}{}", target, words.empty() ? "" : ": ", words,
                mount_advice(options.mount_options));
  }
  impl->mounted = true;
  impl->context.connection = fuse_session_fd(impl->session);
  if (const int failed = fuse_session_custom_io(impl->session, &kOurIo, impl->context.connection); failed != 0)
    return fail(-failed, "libfuse refused the connection");
  if (!target.starts_with("/dev/fd/")) {
    impl->target = target;
    impl->device = device_at(target);
    impl->mount_id = unique_mount_id(target);
  }
  return Session(std::move(impl));
}

Result<Session> Session::on(Overlay& overlay, Fd connection, const SessionOptions& options) {
  auto impl = std::make_unique<Impl>(overlay, options);
  TRY(impl->make(options));
  const int failed = fuse_session_custom_io(impl->session, &kOurIo, connection.ref().fd);
  if (failed != 0) return fail(-failed, "libfuse refused the connection");
  (void)connection.release();  // closed by fuse_session_destroy
  return Session(std::move(impl));
}

const Metrics& Session::metrics() const noexcept { return impl_->metrics; }
std::uint64_t Session::passed_files() const noexcept { return impl_->passthrough.files(); }
std::uint64_t Session::given_bytes() const noexcept { return impl_->first_pages.bytes(); }
std::optional<dev_t> Session::device() const noexcept { return impl_->device; }
bool Session::leaves_open_out() const noexcept {
  return impl_->context.stateless != nullptr && impl_->context.stateless->without_open;
}

bool Session::settle_xattrs() noexcept { return impl_->xattr_absence && impl_->xattr_absence->settle(); }

void Session::refresh(LayerPtr fresh, std::string_view within) {
  Lock until_told(impl_->refreshing);
  if (impl_->has_left || fuse_session_exited(impl_->session) != 0) return;
  Stale stale;
  {
    const Gate::Alone alone(impl_->gate);
    stale = impl_->context.overlay.refresh(std::move(fresh), within, leaves_open_out());
  }
  // With the gate open again: the kernel may have to wait for operations of ours before it can take these. What it does
  // not know is ENOENT, and that is as it should be.
  for (const StaleEntry& entry : stale.entries)
    (void)fuse_lowlevel_notify_inval_entry(impl_->session, static_cast<fuse_ino_t>(entry.parent), entry.name.c_str(),
                                           entry.name.size());
  for (const Ino ino : stale.inodes)
    (void)fuse_lowlevel_notify_inval_inode(impl_->session, static_cast<fuse_ino_t>(ino), 0, 0);
}

Result<int> Session::serve(const std::function<void()>& report) {
  std::atomic<int> stopped_by{0};
  std::unique_ptr<SignalWatch> watch;
  if (impl_->signals)
    watch = TRY(SignalWatch::start({.stop =
                                        [&](int signal) {
                                          stopped_by = signal;
                                          // The kernel may let a notification wait for an operation that we still have
                                          // to answer: nobody would.
                                          Lock none_under_way(impl_->refreshing);
                                          fuse_session_exit(impl_->session);
                                        },
                                    .report = report},
                                   impl_->lifeline));
  std::unique_ptr<fuse_loop_config, decltype(&fuse_loop_cfg_destroy)> config(fuse_loop_cfg_create(),
                                                                            fuse_loop_cfg_destroy);
  if (!config) return Error(ENOMEM);
  // One /dev/fuse for all threads: one each gained nothing measurable. No thread is ended for being idle: making it anew
  // costs more than a request.
  fuse_loop_cfg_set_clone_fd(config.get(), 0);
  fuse_loop_cfg_set_max_threads(config.get(), impl_->threads);
  fuse_loop_cfg_set_idle_threads(config.get(), impl_->threads);
  const int ended = fuse_session_loop_mt(impl_->session, config.get());
  watch.reset();
  {
    // No request will come any more. Whoever waits for the work directory finds the mountpoint free too. Whoever tells the kernel of what is stale
    // does so by a descriptor that is closed here, and may be another file's afterwards.
    Lock none_under_way(impl_->refreshing);
    impl_->has_left = true;
    impl_->leave_mountpoint();
  }
  // The next mount must not wait while a busy disk is synced.
  impl_->context.overlay.leave_work_dir();
  TRY_WITHIN(impl_->context.overlay.sync(), "what was written may not be on the disk");
  if (ended < 0 && !means_unmounted(-ended)) return Error(-ended).within("serving the mount");
  return stopped_by.load();
}

}  // namespace acetate::fs
