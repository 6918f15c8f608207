#include "builder/sandbox/rootfs.h"

#include "base/log.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "builder/sandbox/runtime.h"
#include "builder/sandbox/upper_dir.h"
#include "fs/owner_note.h"

namespace acetate::sandbox {

namespace {

constexpr const char* kByKernel = ".kernel";

// The daemon would say it too, but this is where the way out is known.
Result<void> check_fuse_device() {
  auto device = sys::open("/dev/fuse", O_RDWR);
  if (device) return {};
  const Error error = std::move(device).error();
  if (error.is(EACCES) || error.is(EPERM))
    return fail(error.code(), "/dev/fuse may not be opened: {} (as root: chmod 666 /dev/fuse; in a container: --device /dev/fuse)",
                error.message());
  return fail(error.code(), "/dev/fuse: {} (as root: modprobe fuse; in a container: --device /dev/fuse)", error.message());
}

Result<std::string> make_dir(std::string path, mode_t mode) {
  TRY_WITHIN(sys::make_dirs(path, mode), "making {}", path);
  return path;
}

// Whether owners can be kept on the file system of `dir`, which is nothing's root: some have no attributes of everybody's, and an overlay
// that a container around us lies on keeps this one for itself.
Result<bool> keeps_owners(const std::string& dir) {
  const Fd fd = TRY(sys::open(dir, O_PATH | O_DIRECTORY));
  if (auto set = sys::set_xattr(fd.ref(), fs::kKeptOwner, "0:0:700"); !set) {
    log::info("owners of files are not recorded: {} takes no such attribute: {}", dir, set.error().message());
    return false;
  }
  TRY(sys::remove_xattr(fd.ref(), fs::kKeptOwner));
  return true;
}

}  // namespace

Result<Rootfs> Rootfs::make(std::vector<std::string> lowers, const RootfsOptions& options) {
  const auto fuse = check_fuse_device();
  if (!fuse && !options.unpack) return fuse.error().clone();
  Scratch scratch = TRY(Scratch::make(options.scratch_base, [](const std::string& leftover) {
    log::warn("an earlier command was killed; what it left in {} is removed", leftover);
    if (auto removed = remove_abandoned(leftover + "/run"); !removed)
      log::info("of an earlier run: {}", removed.error().message());
  }));
  std::string merged = TRY(make_dir(scratch / "merged", 0755));
  std::string run = TRY(make_dir(scratch / "run", 0755));
  if (lowers.empty()) lowers.push_back(TRY(make_dir(scratch / "empty", 0755)));

  fs::MountRequest request{.lowers = std::move(lowers), .target = merged, .options = options.mount_options};
  if (options.log_accesses) request.access_log = scratch / "accesses";
  // A container in a user namespace of its own is another user to the kernel; what users may do is decided by
  // the modes of the files.
  request.options.emplace_back("allow_other");
  if (options.ids == IdMode::single) request.options.emplace_back("squash_to_root");
  std::string upper;
  bool notes_owners = false;
  if (!options.read_only) {
    upper = options.keep_upper ? *options.keep_upper : scratch / "upper";
    TRY(make_upper_dir(upper));
    request.upper = upper;
    request.work = TRY(make_dir(options.keep_upper ? *options.keep_upper + ".work" : scratch / "work", 0700));
    notes_owners = fuse && options.ids == IdMode::single && TRY(keeps_owners(*request.work));
    if (notes_owners) request.options.emplace_back("note_owners");
  }
  Rootfs rootfs(std::move(scratch), merged, std::move(upper), std::move(run));
  rootfs.notes_owners_ = notes_owners;
  TRY_WITHIN(fuse ? rootfs.mount(std::move(request), options) : rootfs.mount_unpacked(request, options, fuse.error()),
             "mounting the root file system");
  return rootfs;
}

Result<void> Rootfs::mount(fs::MountRequest request, const RootfsOptions& options) {
  if (request.upper && options.upper_kind != UpperKind::own) {
    const auto why_not = TRY(mount_below_kernels(request, options));
    if (!why_not) return {};
    if (options.upper_kind == UpperKind::kernel) return fail(ENOTSUP, "the kernel's overlay cannot keep what is written here: {}", *why_not);
    log::info("our daemon keeps what is written, since the kernel's overlay cannot here: {}", *why_not);
  }
  if (request.upper && !options.durable) request.options.emplace_back("volatile");
  mount_ = TRY(fs::Mount::start(request, options.meanwhile));
  return {};
}

// The layers in a place of their own, and the kernel's overlay where the root is to be; it is tried where it is to write.
Result<std::optional<std::string>> Rootfs::mount_below_kernels(const fs::MountRequest& request, const RootfsOptions& options) {
  using WhyNot = std::optional<std::string>;
  if (auto works = try_kernel_overlay(*request.work); !works) return WhyNot(works.error().message());
  fs::MountRequest layers = request;
  layers.upper.reset();
  layers.work.reset();
  layers.target = TRY(make_dir(scratch_ / "layers", 0755));
  // The kernel's overlay asks for marks of its own at every file, each time through us.
  layers.options.emplace_back("noxattrs=auto");
  fs::Mount below = TRY(fs::Mount::start(layers, options.meanwhile));
  auto above = KernelOverlay::mount({.lower = layers.target, .upper = *request.upper, .work = *request.work, .target = request.target}, options.durable);
  if (!above) {
    TRY(below.unmount());
    return WhyNot(above.error().message());
  }
  mount_ = std::move(below);
  TRY(put_above(*std::move(above), options));
  return WhyNot();
}

Result<void> Rootfs::mount_unpacked(const fs::MountRequest& request, const RootfsOptions& options, const Error& why) {
  log::info("the layers are unpacked, since nothing can be mounted with FUSE here: {}", why.message());
  const std::string layers = request.upper ? TRY(make_dir(scratch_ / "layers", 0755)) : request.target;
  TRY_WITHIN(options.unpack(request.lowers, layers, options.ids != IdMode::single), "unpacking the layers, since nothing can be mounted ({})",
             why.message());
  if (!request.upper) return {};
  auto places = TRY_WITHIN(place_for_overlay(request, !options.keep_upper), "without FUSE the kernel's overlay has to keep what is written ({})",
                           why.message());
  places.lower = layers;
  upper_ = places.upper;
  return put_above(TRY(KernelOverlay::mount(places, options.durable)), options);
}

Result<void> Rootfs::put_above(KernelOverlay overlay, const RootfsOptions& options) {
  overlay_ = std::move(overlay);
  kernel_wrote_ = true;
  if (!options.keep_upper) return {};
  const std::string mark = *options.keep_upper + kByKernel;
  return TRY_WITHIN(sys::write_file_atomically({kWorkingDir, mark.c_str()}, "", 0600), "writing {}", mark);
}

bool Rootfs::kernel_wrote(const std::string& kept_upper) {
  const std::string mark = kept_upper + kByKernel;
  return sys::stat(FileAt{kWorkingDir, mark.c_str()}).has_value();
}

Result<KernelOverlay::Places> Rootfs::place_for_overlay(const fs::MountRequest& request, bool in_memory_too) {
  KernelOverlay::Places places{.lower = {}, .upper = *request.upper, .work = *request.work, .target = request.target};
  auto works = try_kernel_overlay(places.work);
  if (works) return places;
  if (!in_memory_too) return std::move(works).error();
  // The root of a container is an overlay itself as a rule, and no overlay takes another for its upper.
  const std::string memory = TRY(make_dir(scratch_ / "memory", 0755));
  memory_ = TRY(MemoryFs::mount(memory));
  places.upper = memory + "/upper";
  TRY(make_upper_dir(places.upper));
  places.work = TRY(make_dir(memory + "/work", 0700));
  if (auto there = try_kernel_overlay(places.work); !there)
    return fail(there.error().code(), "{}; in memory: {}", works.error().message(), there.error().message());
  log::info("what is written is kept in memory, since the kernel's overlay takes no upper at {}: {}", *request.upper, works.error().message());
  return places;
}

Rootfs& Rootfs::operator=(Rootfs&& other) noexcept {
  // Member by member would remove our directories while they are still mounted.
  if (this == &other) return *this;
  overlay_.reset();
  mount_.reset();
  memory_ = std::move(other.memory_);
  overlay_ = std::move(other.overlay_);
  mount_ = std::move(other.mount_);
  other.overlay_.reset();
  other.mount_.reset();
  other.memory_.reset();
  std::swap(scratch_, other.scratch_);
  std::swap(path_, other.path_);
  std::swap(upper_, other.upper_);
  std::swap(run_, other.run_);
  std::swap(notes_owners_, other.notes_owners_);
  std::swap(kernel_wrote_, other.kernel_wrote_);
  return *this;
}

Result<void> Rootfs::complete_upper() {
  if (!overlay_) return unmount();
  TRY(overlay_->unmount());
  overlay_.reset();
  return mount_ ? mount_->check() : Result<void>();
}

Result<void> Rootfs::unmount() {
  if (overlay_) TRY(complete_upper());
  if (!mount_) return {};
  TRY(mount_->unmount());
  mount_.reset();
  return {};
}

Result<std::optional<std::string>> Rootfs::accesses() const {
  constexpr std::size_t kMost = 256 << 20;
  auto text = sys::read_file(scratch_ / "accesses", kMost);
  if (text) return std::optional(*std::move(text));
  if (text.error().is(ENOENT)) return std::optional<std::string>();
  return std::move(text).error().within("reading what the step looked at");
}

Rootfs::~Rootfs() {
  overlay_.reset();
  mount_.reset();
}

}  // namespace acetate::sandbox
