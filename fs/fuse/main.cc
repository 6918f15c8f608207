// fuse-overlay: options -> layers -> overlay -> session.
//
// The order matters to callers: everything that can fail is done first, then the mount is made, and only then does the
// command return, so that whoever started it may use the mountpoint at once.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/log.h"
#include "base/number.h"
#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/standard_descriptors.h"
#include "fs/fuse/background.h"
#include "fs/fuse/privileges.h"
#include "fs/fuse/fuse.h"
#include "fs/fuse/kernel_release.h"
#include "fs/fuse/live_mount.h"
#include "fs/fuse/lowers.h"
#include "fs/fuse/notify.h"
#include "fs/fuse/options.h"
#include "fs/fuse/private_mount.h"
#include "fs/fuse/session.h"
#include "fs/fuse/signals.h"
#include "fs/fuse/system_log.h"
#include "fs/overlap.h"
#include "fs/overlay.h"
#include "layers/access_log.h"
#include "layers/layer_spec.h"
#include "layers/stack.h"

namespace acetate::fs {

namespace {

// As fuse-overlayfs says it: podman shows it word for word.
void print_version(const std::string& name) {
  fmt::print("{}: version {}\nFUSE library version {}\n", name, ACETATE_VERSION, fuse_pkgversion());
  std::fflush(stdout);      // what follows is partly printed by fusermount3 itself
  fuse_lowlevel_version();  // the kernel interface's version, and fusermount3's
}

// As many descriptors as we may have; being refused more is no reason to stop.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void set_log_level(const Options& options) {
  const char* asked = ::getenv("ACETATE_LOG");
  const std::string_view level = asked != nullptr ? asked : "";
  if (options.verbose || level == "info") log::set_level(log::Level::info);
  if (options.debug || level == "debug") log::set_level(log::Level::debug);  // libfuse prints requests as debug
}

Result<std::optional<Fd>> open_directory(const char* role, const std::optional<std::string>& path) {
  if (!path) return std::optional<Fd>();
  return std::optional<Fd>(TRY_WITHIN(sys::open(*path, O_PATH | O_DIRECTORY), "cannot read {} {}", role, *path));
}

// umount(2) returns before the daemon behind the mount knows of it: whoever mounts again at once with the same work
// directory waits until that one has let it go, which it does before it syncs, and only then finds it taken.
void wait_for_last_owner(FdRef work) {
  constexpr auto kLongest = std::chrono::seconds(10);
  const auto deadline = std::chrono::steady_clock::now() + kLongest;
  auto dir = sys::reopen(work, O_RDONLY | O_DIRECTORY);
  while (dir && std::chrono::steady_clock::now() < deadline) {
    auto locked = sys::flock(dir->ref(), LOCK_EX | LOCK_NB);
    if (locked || !locked.error().is(EWOULDBLOCK)) return;  // the overlay takes the lock for good, or says what is wrong
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

// Where whoever started us keeps the other end of a pipe: when it closes, nobody wants the mount any more. Ours alone:
// it may not reach fusermount3.
FdRef lifeline() {
  const char* text = ::getenv("ACETATE_LIFELINE");
  if (text == nullptr) return {};
  const auto number = number_of<int>(text);
  if (!number || *number <= STDERR_FILENO) return {};
  return ::fcntl(*number, F_SETFD, FD_CLOEXEC) == 0 ? FdRef{*number} : FdRef{};
}

// Whole or not at all: whoever finds none knows that he was not told everything. The mount itself did well all the same.
void write_access_log(const AccessLog& log, const std::string& path) {
  const auto write = [&]() -> Result<void> {
    return sys::write_file_atomically({kWorkingDir, path.c_str()}, format_access_log(TRY(log.paths())), 0600);
  };
  if (auto written = write(); !written) log::warn("the access log {} is not written: {}", path, written.error().message());
}

bool may_pass_files_through(const Options& options) {
  return options.passthrough && ::getenv("FUSE_OVERLAYFS_NO_PASSTHROUGH") == nullptr && have(CAP_SYS_ADMIN) &&
         may_pass_through(kernel_release());
}

// Where files may be passed through: not on another overlay, which the kernel would refuse each time.
bool move_to_private_mount(std::optional<Fd>& upper, std::optional<Fd>& work) {
  if (!upper || !work) return false;
  const auto space = sys::statfs(upper->ref());
  if (!space || space->f_type == OVERLAYFS_SUPER_MAGIC) return false;
  auto moved = on_private_mount(upper->ref(), work->ref());
  if (!moved) {
    log::debug("no files are passed through: {}", moved.error().message());
    return false;
  }
  upper = std::move(moved->upper);
  work = std::move(moved->work);
  return true;
}

Result<int> serve(const Options& options) {
  std::optional<Background> background;
  if (!options.foreground) background.emplace(TRY(Background::enter()));
  block_signals();
  ::umask(0);
  Lowers lowers = TRY(open_lowers(options.lowers, options.follow));
  ObservedLayer observed;
  if (options.access_log) {
    observed = observe(std::move(lowers.tree));
    lowers.tree = std::move(observed.layer);
  }
  std::optional<Fd> upper = TRY(open_directory("upper dir", options.upper));
  std::optional<Fd> work = TRY(open_directory("workdir", options.work));
  Places places{.upper = options.upper, .work = options.work, .mountpoint = options.mountpoint};
  places.lowers = lowers.directories;
  TRY(check_places(places));
  if (work) wait_for_last_owner(work->ref());
  const bool passthrough = may_pass_files_through(options) && move_to_private_mount(upper, work);
  auto overlay = TRY(Overlay::open(
      lowers.tree, std::move(upper), std::move(work),
      OverlayOptions{.durable = options.durable,
                     .leaves_mark = options.leaves_mark,
                     .xattrs = options.xattrs,
                     .owners = options.owners,
                     .permissions = options.permissions,
                     .note_owners = options.note_owners,
                     .redirect_dir = options.redirect_dir,
                     .follows_marks = options.follow != FollowMarks::none,
                     .index = options.index,
                     .static_nlink = options.static_nlink,
                     .narrow_inos = options.narrow_inos,
                     .force_file_whiteouts = ::getenv("FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT") != nullptr,
                     .space_of = lowers.top}));
  // The kernel asks for each file's, and keeps no answer but that there are none at all.
  const bool xattrs = options.xattrs && !(options.xattrs_if_any && overlay->read_only() && !lowers.tree->may_have_xattrs());
  SessionOptions how{.name = options.name,
                     .fsname = options.fsname,
                     .timeout = options.timeout,
                     .durable = options.durable,
                     .xattrs = xattrs,
                     .acl = options.acl && !overlay->permissions_in_xattr(),
                     .writeback = options.writeback,
                     .debug = options.debug,
                     .upper_drops_suid = !have(CAP_FSETID) && !overlay->permissions_in_xattr(),
                     .passthrough = passthrough,
                     .exact = options.access_log.has_value(),
                     .signals = true,
                     .lifeline = lifeline(),
                     .mount_options = options.mount_options};
  const auto asked = [&](const char* option) { return std::ranges::count(options.mount_options, option) != 0; };
  // Whoever looks at files must be seen looking, and timeout=0 is for who wants nothing kept.
  if (!xattrs && options.xattrs) how.xattr_absence = std::make_shared<XattrAbsence>();
  if (xattrs && overlay->read_only() && !options.always_asks_xattrs && !how.exact && how.timeout > 0)
    if (auto search = lowers.search_xattrs()) how.xattr_absence = std::make_shared<XattrAbsence>(std::move(search));
  how.idmapped = asked("default_permissions") && !asked("allow_root");
  if (overlay->read_only() && !options.read_only) how.mount_options.emplace_back("ro");
  // What is far away is fetched when it is opened, where an error can still be told; who notes what is read must see it; and a
  // mount that somebody else made may let writers in.
  const bool ours = !options.mountpoint.starts_with("/dev/fd/");
  how.stateless = (overlay->read_only() || (options.no_open && !options.writeback)) && ours && !lowers.is_lazy && !how.exact &&
                  may_leave_open_out(kernel_release());
  Session session = TRY(Session::mount(*overlay, options.mountpoint, how));
  const auto live = TRY(LiveMount::make(*overlay, session, options.lowers, std::move(lowers), options.follow, std::move(places)));
  if (options.access_log) live->keep_layers("what is looked at is recorded (access_log)");
  if (options.index && !overlay->read_only()) live->keep_layers("names of hard links are kept together by their files' numbers (index=on)");
  // Who has a file open whose layer goes would have nothing left of it.
  if (options.no_open) live->keep_layers("files are not opened (no_open)");
  live->listen();
  if (background) {
    TRY(background->ready());
    log_to_system(options.name);
  }
  TRY(notify_ready());
  Result<int> ended = session.serve([&] { live->print_summary(); });
  live->stop();
  live->log_reads();
  if (options.access_log && ended) write_access_log(*observed.log, *options.access_log);
  return ended;
}

int run(std::span<const std::string> argv) {
  if (auto faults = sys::install_faults_from_environment(); !faults) {
    log::error("{}", faults.error().message());
    return 1;
  }
  auto options = parse_options(argv, ::geteuid() == 0);
  if (!options) {
    const std::string& called = argv[0];
    log::set_program(called.substr(called.rfind('/') + 1));
    log::error("{}", options.error().message());
    return 1;
  }
  log::set_program(options->name);
  set_log_level(*options);
  if (options->help) {
    fmt::print("{}", usage(options->name));
    return 0;
  }
  if (options->version) {
    print_version(options->name);
    return 0;
  }
  for (const std::string& ignored : options->ignored) fmt::print(stderr, "unknown argument ignored: {}\n", ignored);
  raise_descriptor_limit();
  auto ended = serve(*options);
  if (!ended) {
    log::error("{}", ended.error().message());
    return 1;
  }
  // A signal ended it: the mount is gone as it should, but callers know fuse-overlayfs to say 1.
  return *ended == 0 ? 0 : 1;
}

}  // namespace
}  // namespace acetate::fs

int main(int argc, char** argv) {
  if (!acetate::sys::fill_standard_descriptors()) return 1;
  const std::vector<std::string> words(argv, argv + argc);
  try {
    return acetate::fs::run(words);
  } catch (const std::exception& error) {
    // No thread or no memory to be had: on the way here the session unmounted.
    acetate::log::error("{}", error.what());
    return 1;
  }
}
