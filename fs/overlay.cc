// Opening an overlay, and the calls that only ask or let go.
#include "fs/overlay.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/sys/file.h"
#include "fs/overlay_impl.h"

namespace acetate::fs {

Overlay::Overlay(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Overlay::~Overlay() = default;

Overlay::Impl::Impl(LayerPtr lower_tree, std::unique_ptr<Upper> upper_tree, const OverlayOptions& how)
    : lower(std::move(lower_tree)), upper(std::move(upper_tree)), options(how), inodes(*lower, fds) {}

Overlay::Impl::~Impl() {
  handles.clear();
  listings.clear();
  root = InodeRef();
  index_root = InodeRef();
  inodes.forget_all();
}

Result<std::unique_ptr<Overlay>> Overlay::open(LayerPtr lower, std::optional<Fd> upper, std::optional<Fd> work,
                                               const OverlayOptions& options) {
  if (upper.has_value() != work.has_value())
    return fail(EINVAL, "an upper directory needs a work directory, and the other way round");
  std::unique_ptr<Upper> tree;
  if (upper) {
    // Modes come from the callers with their own umask beside them; ours must not take part.
    ::umask(0);
    tree = TRY(Upper::open(*std::move(upper), *std::move(work), options));
  }
  auto impl = std::make_unique<Impl>(std::move(lower), std::move(tree), options);
  TRY(impl->make_root());
  return std::unique_ptr<Overlay>(new Overlay(std::move(impl)));
}

Result<void> Overlay::Impl::make_root() {
  const Node below = lower->root();
  const Attr attr = TRY(lower->attr(below));
  auto made = inodes.make(S_IFDIR, HeldNode(*lower, below), attr.ino);
  lower->hold(below);  // the root node needs no release: balances HeldNode's
  if (!upper) {
    root = inodes.add_root(std::move(made), 0);
  } else {
    const struct statx st = TRY(stat_of(FileAt{upper->root(), ""}));
    {
      Lock lock(made->mutex);
      made->fd = FdPtr::share(TRY(sys::open(FileAt{upper->root(), "."}, O_PATH | O_DIRECTORY)));
    }
    // A tree whose root says nothing would not be read so at the next mount.
    if (permissions().in_xattr() && !upper->root_is_described())
      TRY_WITHIN(permissions().describe(FileAt{upper->root(), ""}, attr.uid, attr.gid, attr.mode, 0),
                 "xattr_permissions: the upper directory takes no such attribute");
    if (permissions().notes_owners() && !upper->root_is_described())
      TRY_WITHIN(permissions().note(upper->root(), attr.uid, attr.gid), "note_owners: the upper directory takes no such attribute");
    root = inodes.add_root(std::move(made), st.stx_ino);
  }
  give(root, attr);
  return open_index();
}

bool Overlay::read_only() const noexcept { return impl_->upper == nullptr; }

bool Overlay::permissions_in_xattr() const noexcept { return impl_->upper && impl_->permissions().in_xattr(); }

void Overlay::set_rememberer(Rememberer* rememberer) noexcept { impl_->rememberer = rememberer; }

OverlayStats Overlay::stats() const {
  return {.inodes = impl_->inodes.size(),
          .handles = impl_->handles.size(),
          .copy_ups = impl_->copy_ups.load(std::memory_order_relaxed),
          .copied_bytes = impl_->copied_bytes.load(std::memory_order_relaxed),
          .cached_descriptors = impl_->fds.size(),
          .known_lookups = impl_->known_lookups.load(std::memory_order_relaxed),
          .asked_lookups = impl_->asked_lookups.load(std::memory_order_relaxed)};
}

Result<InodeRef> Overlay::Impl::inode(Ino ino) {
  InodeRef found = inodes.find(ino);
  if (!found || !found->lookups.any()) return Error(ESTALE);
  if (!found->has_lower && !found->is_upper()) return Error(ESTALE);  // a refresh did not find it again
  return found;
}

Result<InodeRef> Overlay::Impl::directory(Ino ino) {
  InodeRef found = TRY(inode(ino));
  if (!found->is_dir()) return Error(ENOTDIR);
  return found;
}

Result<InodeRef> Overlay::Impl::writable_directory(Ino ino) {
  InodeRef dir = TRY(directory(ino));
  TRY(copy_up(*dir));
  return dir;
}

Found Overlay::Impl::give(const InodeRef& inode, Attr attr) {
  note_told(*inode, attr);
  Lock lock(inode->mutex);
  // All of the kernel's references together are one of ours.
  if (inode->lookups.add()) inode->refs.fetch_add(1, std::memory_order_relaxed);
  return {.ino = inode->ino, .attr = for_users(attr)};
}

Attr Overlay::Impl::for_users(Attr attr) const noexcept {
  options.owners.show(attr);
  attr.ino = ino_for_users(attr.ino);
  return attr;
}

// Both halves take part, so that numbers which differ in the upper half only still differ.
std::uint64_t Overlay::Impl::ino_for_users(std::uint64_t ino) const noexcept {
  if (!options.narrow_inos) return ino;
  const auto narrow = static_cast<std::uint32_t>(ino ^ (ino >> 32));
  return narrow != 0 ? narrow : 1;
}

bool Overlay::forget(Ino ino, std::uint64_t count) noexcept {
  const InodeRef inode = impl_->inodes.find(ino);
  if (!inode || ino == Ino::root) return false;
  InodeRef kernels;  // dropped after the mutex, and before ours
  {
    Lock lock(inode->mutex);
    if (inode->lookups.take(count)) kernels = InodeRef(Adopt{}, inode.get());
    if (inode->lookups.any()) return false;
  }
  impl_->forget_replaced(ino);
  if (inode->is_dir()) impl_->listings.drop(ino);
  return true;
}

Result<Attr> Overlay::Impl::attr(Inode& inode) {
  if (inode.is_upper()) return shown(inode, TRY(upper_stat(inode)));
  Attr attr = TRY(lower->attr(inode.lower));
  attr.ino = inode.st_ino.load(std::memory_order_relaxed);
  if (attr.is_dir()) attr.nlink = 1;
  if (index && attr.nlink > 1)
    attr.nlink = static_cast<std::uint32_t>(std::max<std::int64_t>(attr.nlink + index->more_of_lower(attr.ino), 0));
  return attr;
}

Result<Attr> Overlay::getattr(Ino ino) {
  const InodeRef inode = TRY(impl_->inode(ino));
  const Attr attr = TRY(impl_->attr(*inode));
  impl_->note_told(*inode, attr);
  return impl_->for_users(attr);
}

Result<std::string> Overlay::readlink(Ino ino) {
  const InodeRef inode = TRY(impl_->inode(ino));
  if (!S_ISLNK(inode->type)) return Error(EINVAL);
  if (!inode->is_upper()) return impl_->lower->readlink(inode->lower);
  const FdPtr link = TRY(impl_->upper_fd(*inode));
  auto target = sys::readlink(link->ref());
  if (target || !impl_->permissions().in_xattr()) return target;
  // A file that only says it is a symlink: its target is its content.
  const Fd file = TRY(impl_->open_upper(*inode, O_RDONLY));
  return sys::read_all(file.ref(), 1U << 16);
}

Result<SpaceInfo> Overlay::statfs() {
  const bool writes = impl_->upper != nullptr;
  if (!writes && !impl_->options.space_of)
    return SpaceInfo{.block_size = 4096, .blocks = 0, .blocks_free = 0, .blocks_available = 0, .files = 0, .files_free = 0, .name_max = kNameMax};
  const struct statfs fs = TRY(sys::statfs(writes ? impl_->upper->root() : impl_->options.space_of->ref()));
  // In the file dialect a name must leave room for the prefix of its whiteout.
  const std::uint64_t prefix = writes && impl_->upper->file_dialect() ? kWhiteoutPrefix.size() : 0;
  return SpaceInfo{.block_size = static_cast<std::uint64_t>(fs.f_bsize),
                   .blocks = fs.f_blocks,
                   .blocks_free = fs.f_bfree,
                   .blocks_available = fs.f_bavail,
                   .files = fs.f_files,
                   .files_free = fs.f_ffree,
                   .name_max = static_cast<std::uint64_t>(fs.f_namelen) - prefix};
}

void Overlay::leave_work_dir() noexcept {
  if (impl_->upper) impl_->upper->work().unlock();
}

Result<void> Overlay::sync() {
  if (!impl_->upper || !impl_->options.durable) return {};
  return sys::syncfs(impl_->upper->root());
}

}  // namespace acetate::fs
