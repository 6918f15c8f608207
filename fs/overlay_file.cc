// Open files. A handle reads where its inode is now: the lower until copy-up, the upper ever after.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/sys/copy.h"
#include "base/sys/file.h"
#include "fs/overlay_file.h"
#include "fs/overlay_impl.h"

namespace acetate::fs {

namespace {

bool writes(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0; }

}  // namespace

int upper_flags(int flags, bool durable) {
  // O_DIRECT is between the kernel and us: our buffers are not aligned for the upper's file system.
  int kept = flags & (O_ACCMODE | O_APPEND | O_TRUNC);
  if (durable) kept |= flags & (O_SYNC | O_DSYNC);
  return kept;
}

Result<FdRef> Overlay::Impl::file_in_upper(OpenFile& file) {
  if (file.upper_ready.load(std::memory_order_acquire)) return file.upper.ref();
  Lock lock(file.mutex);
  if (file.upper_ready.load(std::memory_order_relaxed)) return file.upper.ref();
  file.upper = TRY(open_upper(*file.inode, upper_flags(file.flags & ~O_TRUNC, options.durable)));
  file.upper_ready.store(true, std::memory_order_release);
  return file.upper.ref();
}

Result<FdRef> Overlay::Impl::file_for_writing(OpenFile& file) {
  if ((file.flags & O_ACCMODE) == O_RDONLY) return Error(EBADF);
  return file_in_upper(file);
}

Result<FdRef> Overlay::Impl::file_for_writing(OpenFile& file, bool kill_suidgid) {
  const FdRef fd = TRY(file_for_writing(file));
  if (kill_suidgid) TRY(drop_suidgid(fd, permissions()));
  return fd;
}

void Overlay::Impl::note_changed(Inode& inode, FdRef object) noexcept {
  const std::uint8_t told = inode.told_privileges.load(std::memory_order_relaxed);
  if (told == 0) return;
  const auto st = permissions().stat(FileAt{object, ""});
  // Unknown counts as changed: asking once more costs little.
  const std::uint8_t now = st ? privileges_in(st->stx_mode) : std::uint8_t{0};
  if (st && now == told) return;
  // What is left of them may go with the next write, before the kernel has asked.
  inode.told_privileges.store(now, std::memory_order_relaxed);
  if (rememberer != nullptr) rememberer->forget_attributes(inode.ino);
}

bool Overlay::shows_suid(Ino ino) {
  const auto inode = impl_->inode(ino);
  return inode && (*inode)->told_privileges.load(std::memory_order_relaxed) != 0;
}

Result<Opened> Overlay::open(Ino ino, int flags) {
  InodeRef inode = TRY(impl_->inode(ino));
  if (inode->is_dir()) return Error(EISDIR);
  if (S_ISLNK(inode->type)) return Error(ELOOP);
  if (!S_ISREG(inode->type)) return Error(ENXIO);  // the kernel opens devices, fifos and sockets itself
  auto file = std::make_shared<OpenFile>(inode, flags);
  if (writes(flags)) {
    const std::optional<std::uint64_t> keep =
        (flags & O_TRUNC) != 0 ? std::optional<std::uint64_t>(0) : std::nullopt;
    int wanted = upper_flags(flags, impl_->options.durable);
    if ((wanted & O_ACCMODE) == O_RDONLY) wanted |= O_RDWR;  // ftruncate(2) wants a descriptor that may write
    Fd copied;
    TRY(impl_->copy_up(*inode, keep, &copied));
    // The copy's own descriptor serves when nothing but reading and writing is asked.
    if (!copied || (wanted & ~(O_ACCMODE | O_TRUNC | O_APPEND)) != 0)
      copied = TRY(impl_->open_upper(*inode, wanted));
    else if ((flags & O_TRUNC) != 0)
      TRY(sys::truncate(copied.ref(), 0));  // it is empty, but has the lower's times
    if ((flags & O_TRUNC) != 0) impl_->note_changed(*inode, copied.ref());
    file->upper = std::move(copied);
    file->upper_ready.store(true, std::memory_order_release);
  } else if (!inode->is_upper()) {
    file->layer = impl_->lower;
    file->lower = TRY(impl_->lower->open(inode->lower));
  } else {
    // The bytes of what is there in its attributes only. Else nothing is written for a reader, on a full disk least of all.
    if (inode->metacopy.load(std::memory_order_acquire)) TRY(impl_->copy_up(*inode));
    TRY(impl_->file_in_upper(*file));
  }
  return Opened{.handle = impl_->handles.add(std::move(file))};
}

std::optional<FdRef> Overlay::upper_file(Handle handle) {
  const auto file = impl_->handles.file(handle);
  if (!file || !(*file)->upper_ready.load(std::memory_order_acquire)) return std::nullopt;
  return (*file)->upper.ref();
}

Result<std::size_t> Overlay::read(Handle handle, std::span<std::byte> into, std::uint64_t offset) {
  const auto file = TRY(impl_->handles.file(handle));
  if (!file->inode->is_upper()) return file->lower->pread(into, offset);
  return sys::pread_full(TRY(impl_->file_in_upper(*file)), into, offset);
}

Result<std::size_t> Overlay::read_at_hand(Handle handle, std::span<std::byte> into, std::uint64_t offset) {
  const auto file = TRY(impl_->handles.file(handle));
  if (!file->inode->is_upper()) return file->lower->pread_at_hand(into, offset);
  return sys::pread_nowait(TRY(impl_->file_in_upper(*file)), into, offset);
}

bool Overlay::may_have_pages(Ino ino) {
  const InodeRef inode = impl_->inodes.find(ino);
  return !inode || (inode->pages.load(std::memory_order_acquire) & Inode::kHasPages) != 0;
}

void Overlay::note_pages(Ino ino) noexcept {
  if (const InodeRef inode = impl_->inodes.find(ino)) inode->pages.fetch_or(Inode::kHasPages, std::memory_order_acq_rel);
}

bool Overlay::is_mappable(Ino ino) {
  const InodeRef inode = impl_->inodes.find(ino);
  return !inode || (inode->pages.load(std::memory_order_acquire) & Inode::kMayBeMapped) != 0;
}

void Overlay::note_mappable(Ino ino) noexcept {
  if (const InodeRef inode = impl_->inodes.find(ino)) inode->pages.fetch_or(Inode::kMayBeMapped, std::memory_order_acq_rel);
}

Result<std::size_t> Overlay::write(Handle handle, std::span<const std::byte> from, std::uint64_t offset,
                                   bool kill_suidgid) {
  const auto file = TRY(impl_->handles.file(handle));
  const FdRef fd = TRY(impl_->file_for_writing(*file, kill_suidgid));
  auto written = sys::pwrite(fd, from, offset);
  impl_->note_changed(*file->inode, fd);
  return written;
}

Result<std::size_t> Overlay::write_back(Handle handle, std::span<const std::byte> from, std::uint64_t offset) {
  const auto file = TRY(impl_->handles.file(handle));
  const FdRef fd = TRY(impl_->file_for_writing(*file));
  constexpr mode_t kPrivileges = S_ISUID | S_ISGID;
  const bool shows = file->inode->told_privileges.load(std::memory_order_relaxed) != 0;
  const auto before = shows ? impl_->permissions().stat(FileAt{fd, ""}) : Result<struct statx>(Error(ENODATA));
  auto written = sys::pwrite(fd, from, offset);
  // The file system below takes them from whoever writes without CAP_FSETID, as we may.
  if (before && (before->stx_mode & kPrivileges) != 0) {
    const struct statx now = TRY(impl_->permissions().stat(FileAt{fd, ""}));
    if (((now.stx_mode ^ before->stx_mode) & kPrivileges) != 0) TRY(impl_->permissions().chmod(fd, before->stx_mode & 07777));
  }
  return written;
}

Result<void> Overlay::fsync(Handle handle, bool data_only) {
  const auto file = TRY(impl_->handles.file(handle));
  if (!impl_->options.durable || !file->inode->is_upper()) return {};
  const FdRef fd = TRY(impl_->file_in_upper(*file));
  return data_only ? sys::fdatasync(fd) : sys::fsync(fd);
}

Result<void> Overlay::fallocate(Handle handle, int mode, std::uint64_t offset, std::uint64_t length, bool kill_suidgid) {
  const auto file = TRY(impl_->handles.file(handle));
  const FdRef fd = TRY(impl_->file_for_writing(*file, kill_suidgid));
  TRY(sys::fallocate(fd, mode, offset, length));
  impl_->note_changed(*file->inode, fd);
  return {};
}

Result<std::uint64_t> Overlay::lseek(Handle handle, std::uint64_t offset, int whence, bool all_is_data) {
  const auto file = TRY(impl_->handles.file(handle));
  if (whence != SEEK_DATA && whence != SEEK_HOLE) return Error(EINVAL);
  if (file->inode->is_upper() && all_is_data) {
    const struct statx st = TRY(stat_of(FileAt{TRY(impl_->file_in_upper(*file)), ""}));
    if (offset >= st.stx_size) return Error(ENXIO);
    return whence == SEEK_DATA ? offset : std::uint64_t{st.stx_size};
  }
  if (file->inode->is_upper())
    return sys::lseek(TRY(impl_->file_in_upper(*file)), static_cast<std::int64_t>(offset), whence);
  const std::uint64_t size = file->lower->size();
  if (offset >= size) return Error(ENXIO);
  const bool want_hole = whence == SEEK_HOLE;
  while (offset < size) {
    const Segment segment = file->lower->segment(offset);
    if (segment.hole == want_hole) return offset;
    offset += std::max<std::uint64_t>(segment.length, 1);
  }
  // Every file ends in a hole; behind the last data there is no more.
  return want_hole ? Result<std::uint64_t>(size) : Error(ENXIO);
}

Result<std::size_t> Overlay::copy_file_range(Handle from, std::uint64_t from_offset, Handle to,
                                             std::uint64_t to_offset, std::size_t length, bool kill_suidgid) {
  const auto source = TRY(impl_->handles.file(from));
  const auto target = TRY(impl_->handles.file(to));
  if ((source->flags & O_ACCMODE) == O_WRONLY) return Error(EBADF);
  const FdRef out = TRY(impl_->file_for_writing(*target, kill_suidgid));
  const auto copy = [&](FdRef in, std::uint64_t in_offset, std::uint64_t most) -> Result<std::size_t> {
    auto copied = sys::copy_file_range(in, in_offset, out, to_offset, static_cast<std::size_t>(most));
    impl_->note_changed(*target->inode, out);
    return copied;
  };
  if (source->inode->is_upper()) return copy(TRY(impl_->file_in_upper(*source)), from_offset, length);
  if (from_offset >= source->lower->size()) return std::size_t{0};
  // What does not lie plain in a file the kernel copies through its own page cache.
  const auto extent = source->lower->extent(from_offset);
  if (!extent) return Error(EOPNOTSUPP);
  return copy(extent->fd, extent->fd_offset, std::min<std::uint64_t>(length, extent->length));
}

void Overlay::release(Handle handle) noexcept { impl_->handles.remove(handle); }

}  // namespace acetate::fs
