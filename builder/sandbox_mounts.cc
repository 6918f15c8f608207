#include "builder/sandbox_mounts.h"

#include <sys/mount.h>

#include "base/log.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/open.h"
#include "builder/sandbox/in_root.h"
#include "builder/unpack.h"

namespace acetate::build {

namespace {
using Type = dockerfile::Mount::Type;
using sandbox::MountPoint;
}  // namespace

SandboxMounts::~SandboxMounts() {
  agents_.clear();
  // Best effort: the namespace takes what is left with it.
  for (auto path = pinned_.rbegin(); path != pinned_.rend(); ++path)
    if (auto gone = sys::umount(path->c_str(), MNT_DETACH); !gone) log::info("unmounting {}: {}", *path, gone.error().message());
}

Result<void> SandboxMounts::add(const ReadyMount& mount, sandbox::Spec& spec) {
  switch (mount.is.type) {
    case Type::bind: return add_bind(mount, spec);
    case Type::cache: return add_cache(mount, spec);
    case Type::secret: return add_secret(mount, spec);
    case Type::ssh: return add_agent(mount, spec);
    case Type::tmpfs:
      spec.mounts.push_back({.kind = MountPoint::Kind::tmpfs,
                             .source = {},
                             .target = mount.is.target,
                             .writable = !mount.is.read_only,
                             .size = mount.is.size});
      return {};
  }
  return Error(EINVAL);
}

Result<std::string> SandboxMounts::inside(const std::string& root, const std::string& source) {
  const Fd fd = TRY_WITHIN(sys::open(root, O_PATH | O_DIRECTORY), "opening {}", root);
  const auto found = TRY_WITHIN(sandbox::resolve_in_root(fd.ref(), source), "the source {}", source);
  if (found.missing > 0) return fail(ENOENT, "the source {} of a mount is not there", source);
  return root + "/" + found.path.str();
}

// What a step writes into a bind mount is for itself only, and gone afterwards.
Result<void> SandboxMounts::add_bind(const ReadyMount& mount, sandbox::Spec& spec) {
  roots_.push_back(TRY(sandbox::Rootfs::make(
      mount.lowers, {.scratch_base = scratch_base_, .ids = ids_, .read_only = mount.is.read_only, .unpack = unpack_layers})));
  spec.mounts.push_back({.source = TRY(inside(roots_.back().path(), mount.is.source)),
                         .target = mount.is.target,
                         .writable = !mount.is.read_only});
  return {};
}

Result<void> SandboxMounts::own(FdRef file, const dockerfile::Mount& mount, unsigned mode) const {
  // With a single id everybody is root already.
  if (ids_ != sandbox::IdMode::single && (mount.uid || mount.gid))
    TRY(sys::chown(file, mount.uid.value_or(0), mount.gid.value_or(0)));
  return sys::chmod(file, mode);
}

Result<std::string> SandboxMounts::pin(FdRef dir) {
  std::string path = fmt::format("{}/mount{}", scratch_, next_++);
  TRY(sys::mkdir({kWorkingDir, path.c_str()}, 0700));
  TRY(sys::mount(sys::ProcFdPath(dir).c_str(), path.c_str(), "", MS_BIND, nullptr));
  pinned_.push_back(path);
  return path;
}

Result<void> SandboxMounts::add_cache(const ReadyMount& mount, sandbox::Spec& spec) {
  std::string dir = mount.dir;
  if (mount.dir_is_new) {
    const Fd fd = TRY_WITHIN(sys::open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW), "opening the cache mount {}", mount.is.id);
    TRY_WITHIN(own(fd.ref(), mount.is, mount.is.mode.value_or(0755)), "making the cache mount {}", mount.is.id);
  }
  if (!mount.lowers.empty()) {
    std::string& root = caches_[dir];
    if (root.empty()) {
      roots_.push_back(TRY(sandbox::Rootfs::make(
          mount.lowers, {.scratch_base = scratch_base_, .ids = ids_, .keep_upper = dir, .unpack = unpack_layers})));
      root = roots_.back().path();
    }
    dir = TRY(inside(root, mount.is.source));
  } else if (const RelPath source = TRY(RelPath::parse_clamped(mount.is.source)); !source.is_root()) {
    // Other steps may be writing there right now: each component is opened, and no symlink is followed.
    const Fd root = TRY(sys::open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    for (RelPath made; const std::string_view part : source.components()) {
      made = made.child(part);
      const Fd parent = TRY_WITHIN(sys::open_beneath(root.ref(), made.parent(), O_RDONLY | O_DIRECTORY), "{} in the cache mount {}",
                                   mount.is.source, mount.is.id);
      const std::string name(part);
      if (auto done = sys::mkdir({parent.ref(), name.c_str()}, 0755); !done && !done.error().is(EEXIST))
        return std::move(done).error().within("making " + mount.is.source + " in the cache mount " + mount.is.id);
    }
    const Fd found = TRY_WITHIN(sys::open_beneath(root.ref(), source, O_RDONLY | O_DIRECTORY), "{} in the cache mount {}",
                                mount.is.source, mount.is.id);
    dir = TRY(pin(found.ref()));
  }
  spec.mounts.push_back({.source = dir, .target = mount.is.target, .writable = !mount.is.read_only});
  return {};
}

Result<std::string> SandboxMounts::private_dir() {
  if (memory_.empty()) {
    const std::string path = scratch_ + "/secrets";
    TRY(sys::mkdir({kWorkingDir, path.c_str()}, 0700));
    TRY_WITHIN(sys::mount("tmpfs", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=16m"),
               "making a place in memory for secrets");
    pinned_.push_back(path);
    memory_ = path;
  }
  return memory_;
}

Result<void> SandboxMounts::add_secret(const ReadyMount& mount, sandbox::Spec& spec) {
  if (mount.is.env) {
    if (mount.value.find('\0') != std::string::npos)
      return fail(EINVAL, "the secret {} holds a NUL byte and cannot be a variable", mount.is.id);
    const std::string name = *mount.is.env + "=";
    std::erase_if(spec.env, [&](const std::string& entry) { return entry.starts_with(name); });
    spec.env.push_back(name + mount.value);
    if (mount.is.target.empty()) return {};
  }
  const std::string path = fmt::format("{}/{}", TRY(private_dir()), next_++);
  const Fd file = TRY(sys::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  TRY(sys::write_full(file.ref(), mount.value));
  TRY_WITHIN(own(file.ref(), mount.is, mount.is.mode.value_or(0400)), "the secret {}", mount.is.id);
  spec.mounts.push_back({.source = path, .target = mount.is.target, .writable = false});
  return {};
}

Result<void> SandboxMounts::add_agent(const ReadyMount& mount, sandbox::Spec& spec) {
  const std::string path = fmt::format("{}/agent{}", TRY(private_dir()), next_++);
  agents_.push_back(TRY_WITHIN(AgentProxy::start(path, mount.socket), "the ssh agent {}", mount.is.id));
  const Fd file = TRY(sys::open(path, O_PATH | O_NOFOLLOW));
  TRY_WITHIN(own(file.ref(), mount.is, mount.is.mode.value_or(0600)), "the ssh agent {}", mount.is.id);
  spec.mounts.push_back({.source = path, .target = mount.is.target, .writable = false});
  // The first one is the agent that programs find by themselves.
  bool known = false;
  for (const std::string& entry : spec.env) known = known || entry.starts_with("SSH_AUTH_SOCK=");
  if (!known) spec.env.push_back("SSH_AUTH_SOCK=" + mount.is.target);
  return {};
}

}  // namespace acetate::build
