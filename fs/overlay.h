// Overlay: one writable tree over one read-only tree, by inode number. It knows nothing of FUSE and nothing
// of images; fs/fuse/session.h puts it behind a mount.
//
// What its callers may rely on (the rules users of overlays were burnt for not having):
//   1. A handle follows its inode's current backing: after copy-up no read, write or fsync of any handle, old
//      or new, reaches the lower file.
//   2. Only proven absence is ENOENT. EIO, EMFILE, EACCES are answered as themselves.
//   3. Nothing is copied to be deleted or truncated to nothing.
//   4. Copy-up holds no shared lock while it copies, is atomic (the lower shows until one rename) and exact:
//      data with holes, owner, xattrs, mode, then times.
//   5. Inode numbers are never reused, d_ino equals st_ino, and both survive copy-up; only a name that copy-up parts
//      from a lower hard link gets a number of its own, of which the kernel is told.
//   6. A lower layer is never written.
//   7. No input from outside ends the process.
//   8. Private xattrs are hidden and refused to users.
//
// Lock order (a thread takes them only downwards; none is held while file data moves):
//   Impl::rename_mutex           renames between two directories, and of merged ones: keeps ancestry still
//     Directory::mutex           shared to look, exclusive to change names below; parents before children, two
//                                unrelated directories by number, the index's (overlay_links.cc) last
//       Impl::lending            one at a time lends a mode's bits (unprivileged daemons)
//         FdCache, OtherNames, LinkIndex, InodeIndex, HandleTable, RecentListings, LookAhead, Inode mutexes   leaves: never held across a system call; FdCache's
//                                and OtherNames' come before Inode's, and a layer's own, which tell the name of a node, after it
//   The gate of a copy-up (only those who would change the same inode wait at it) is entered before any
//   Directory::mutex is taken; the copy then takes its parent's for the one call that publishes it.
// A lookup of a name the kernel knows, getattr and read take leaves only.
#pragma once

#include <linux/fs.h>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "fs/owners.h"
#include "fs/types.h"
#include "layers/layer.h"
#include "layers/override_stat.h"

namespace acetate::fs {

struct OverlayOptions {
  bool durable = true;    // copy-up syncs before it publishes; fsync reaches the disk. `volatile`/fsync=0 unset it
  bool leaves_mark = false;  // `volatile`: marks the work directory as one of a mount that synced nothing (fs/volatile_mark.h)
  bool xattrs = true;     // false: `noxattrs`, every xattr call is ENOTSUP
  // Callers' ids (struct Caller, AttrChange) are those that users see. Where owners are squashed a chown that the disk
  // refuses succeeds all the same: for a daemon that may not chown.
  Owners owners = {};
  // Where owner, mode and type of upper objects are kept. `none` unless the upper's root has the attribute already.
  OverrideMode permissions = OverrideMode::none;
  // Owners that the disk cannot give are noted in the attribute, for whoever reads the upper directory (fs/owner_note.h). With squashed
  // owners.
  bool note_owners = false;
  // redirect_dir=on: directories of the lower can be renamed (else EXDEV); "overlay.redirect" is written on them.
  bool redirect_dir = false;
  // redirect_dir=nofollow unsets it: a redirect in the upper is EPERM, a metacopy EIO. Of layers see layers/dir_layer.h.
  bool follows_marks = true;
  // index=on: the names of a regular file that a lower has several names of stay one file when it is copied up; what that takes
  // is kept in the work directory (fs/link_index.h).
  bool index = false;
  bool static_nlink = false;          // every directory reports one link
  bool narrow_inos = false;           // ino32_t: st_ino fits in 32 bits
  bool force_file_whiteouts = false;  // FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT
  // Something on the file system that statfs(2) tells of where there is no upper: the top layer, as with the kernel's overlay. Without it
  // nothing is known of blocks.
  std::shared_ptr<const Fd> space_of = {};
};

// What is counted as it runs.
struct OverlayStats {
  std::uint64_t inodes = 0;
  std::uint64_t handles = 0;
  std::uint64_t copy_ups = 0;
  std::uint64_t copied_bytes = 0;
  std::uint64_t cached_descriptors = 0;  // kept open between two uses
  std::uint64_t known_lookups = 0;       // answered with an inode that was known
  std::uint64_t asked_lookups = 0;       // had to ask the layers
};

// What the kernel must be told after a refresh. An inode that is gone by then may be told of all the same.
struct StaleEntry {
  Ino parent;
  std::string name;
};
struct Stale {
  std::vector<StaleEntry> entries;  // names to be looked up again: replaced, gone, or no longer absent
  std::vector<Ino> inodes;          // attributes, pages and listings that may have changed
};

// Thread-safe throughout. Every call returns an errno for what the world does wrong; an Ino that was never
// given out or is forgotten is ESTALE, an unknown handle EBADF. Permission checks are the caller's
// (default_permissions): the overlay does what it is told. Without an upper every change is EROFS.
//
// Names are one component, at most 255 bytes (ENAMETOOLONG); what is not a name is EINVAL.
class Overlay {
 public:
  // `upper` and `work` are directories on one file system, or both absent for a read-only mount. `work` is
  // used below "work/", which is emptied here. EXDEV, EBUSY (another overlay uses that work directory), EINVAL
  // (one lies in the other; a volatile mount left its mark, and the machine may have crashed since; the index is not this tree's), ENOTSUP (an index where there are no
  // attributes) and whatever probing the two says come with words.
  // With an upper the process's umask becomes 0.
  static Result<std::unique_ptr<Overlay>> open(LayerPtr lower, std::optional<Fd> upper, std::optional<Fd> work,
                                               const OverlayOptions& options);
  ~Overlay();
  Overlay(const Overlay&) = delete;
  Overlay& operator=(const Overlay&) = delete;

  bool read_only() const noexcept;
  // Owner, mode and type of upper objects are in an attribute: no file system applies ACLs, drops suid or hands down a
  // group to them by itself.
  bool permissions_in_xattr() const noexcept;
  // Who remembers this overlay's answers; must outlive the last call, or be taken away (null) while none runs.
  void set_rememberer(Rememberer* rememberer) noexcept;
  OverlayStats stats() const;

  // --- names to inodes
  Result<Found> lookup(Ino parent, std::string_view name);
  // True when nothing is left of the kernel's references.
  bool forget(Ino ino, std::uint64_t count) noexcept;
  Result<Attr> getattr(Ino ino);
  Result<std::string> readlink(Ino ino);
  Result<SpaceInfo> statfs();

  // --- making and removing names. The new object belongs to the caller, or to the parent's group when the
  // parent is setgid; umask applies unless the parent has a default ACL.
  Result<Found> mknod(Ino parent, std::string_view name, mode_t mode, dev_t rdev, const Caller& caller);
  Result<Found> mkdir(Ino parent, std::string_view name, mode_t mode, const Caller& caller);
  Result<Found> symlink(Ino parent, std::string_view name, const std::string& target, const Caller& caller);
  Result<Found> link(Ino ino, Ino new_parent, std::string_view new_name);
  Result<Created> create(Ino parent, std::string_view name, mode_t mode, int flags, const Caller& caller);
  // O_TMPFILE; EOPNOTSUPP where the upper's file system has none.
  Result<Created> tmpfile(Ino parent, mode_t mode, int flags, const Caller& caller);
  Result<void> unlink(Ino parent, std::string_view name);
  Result<void> rmdir(Ino parent, std::string_view name);
  // flags: RENAME_NOREPLACE, RENAME_EXCHANGE; others EINVAL. EXDEV for a directory that a lower takes part in, unless
  // redirect_dir is on.
  Result<void> rename(Ino parent, std::string_view name, Ino new_parent, std::string_view new_name,
                      unsigned flags);

  // --- attributes
  // `handle`: a file that is open, if any, to make the change through.
  Result<Attr> setattr(Ino ino, const AttrChange& change, std::optional<Handle> handle);
  // chown(2) by an owner's note (fs/owner_note.h), which nobody sees here. ENOTSUP without OverlayOptions::note_owners.
  Result<void> note_owner(Ino ino, std::optional<uid_t> uid, std::optional<gid_t> gid);
  Result<std::string> getxattr(Ino ino, std::string_view name);
  Result<std::vector<std::string>> listxattr(Ino ino);
  Result<void> setxattr(Ino ino, std::string_view name, std::string_view value, int flags, bool kill_sgid);
  Result<void> removexattr(Ino ino, std::string_view name);

  // --- chattr(1)'s flags, as FS_IOC_GETFLAGS and FS_IOC_FSGETXATTR have them (ioctl_fs(2)). What only the lower has shows none. ENOTTY where the
  // upper's file system knows none.
  Result<unsigned> flags(Ino ino);
  Result<void> set_flags(Ino ino, unsigned flags);
  Result<struct fsxattr> extended_flags(Ino ino);
  Result<void> set_extended_flags(Ino ino, const struct fsxattr& flags);

  // --- files. Flags as open(2); copies up when they ask to write.
  Result<Opened> open(Ino ino, int flags);
  // What a file was before a refresh put another in its place: for whoever has had it open since, where no handle says so. Only to
  // read, and only until it is forgotten; ESTALE where there is none, or where its layer does not have it any more either.
  Result<Opened> open_replaced(Ino ino);
  // The upper's file behind an open handle, where all that the handle reads and writes is in it; nothing where it is, or was when it was
  // opened, the lower's. Good for as long as the handle is open.
  std::optional<FdRef> upper_file(Handle file);
  // Whether a file was last told of with suid or sgid. Asks nobody.
  bool shows_suid(Ino ino);
  Result<std::size_t> read(Handle file, std::span<std::byte> into, std::uint64_t offset);
  // The same bytes, but only as far as they are at hand: fewer, or none, where they would have to be decoded, fetched or waited for.
  Result<std::size_t> read_at_hand(Handle file, std::span<std::byte> into, std::uint64_t offset);
  // For whoever gives the kernel pages of a file before it asks: whether somebody has noted since the file got its number that the kernel
  // may have some, or may soon. True of what is not known.
  bool may_have_pages(Ino ino);
  void note_pages(Ino ino) noexcept;
  // The same of whether somebody may have it mapped to be written, and so may write without anybody being told.
  bool is_mappable(Ino ino);
  void note_mappable(Ino ino) noexcept;
  // kill_suidgid, of all that change data: the caller's writing drops suid, and sgid of group-executables.
  Result<std::size_t> write(Handle file, std::span<const std::byte> from, std::uint64_t offset, bool kill_suidgid);
  // Of pages that were changed in the kernel's cache, by a mapping say: whoever did that is not known any more, and suid stays.
  Result<std::size_t> write_back(Handle file, std::span<const std::byte> from, std::uint64_t offset);
  Result<void> fsync(Handle file, bool data_only);
  Result<void> fallocate(Handle file, int mode, std::uint64_t offset, std::uint64_t length, bool kill_suidgid);
  // SEEK_DATA, SEEK_HOLE. `all_is_data`: of a file in the upper its end alone is a hole, since the kernel may have bytes of it that it has not sent yet.
  Result<std::uint64_t> lseek(Handle file, std::uint64_t offset, int whence, bool all_is_data = false);
  Result<std::size_t> copy_file_range(Handle from, std::uint64_t from_offset, Handle to, std::uint64_t to_offset,
                                      std::size_t length, bool kill_suidgid);
  void release(Handle file) noexcept;

  // --- directories
  // Entries after `cookie` (0: from the beginning, "." and ".." included) until the callback returns false; what was refused comes again at
  // the next call. Nothing is opened: cookies are those of the names (fs/dir_listing.h), so that an entry that was there all the time
  // comes exactly once to whoever goes on with the last one he was given. Beginning again shows what there is now. ENOTDIR.
  Result<void> readdir(Ino dir, std::uint64_t cookie, const std::function<bool(const ListedEntry&)>& each);
  // The same, with what lookup() says of each entry: nothing where that fails, and for the dots. Of those that do not fit nothing is looked up,
  // and so no reference is given that nobody learns of.
  Result<void> readdirplus(Ino dir, std::uint64_t cookie, const std::function<bool(const ListedEntry&)>& fits,
                           const std::function<void(const ListedEntry&, const Found*)>& each);
  // Finds out what is likely to be asked after the beginning of `dir` was read: what lies in the directories that it lists
  // (fs/look_ahead.h). For a thread that has nothing else to do; takes as long as a few readings of directories that are not large, and
  // does nothing where two others are at it. No answer changes by it.
  void look_ahead(Ino dir);
  Result<void> fsyncdir(Ino dir);

  // From now on `fresh` is the lower tree: what was changed behind our back shows, and so does a layer that came in between.
  // Directories stay the inodes they were, and so do files with the same number; a file that is another one now is ESTALE
  // to whoever only knows its number, while open handles keep what they had. What was written stays on top. Only what lies
  // at or below `within` (a path in the mount; "" is everything), or on the way to it, is told back. With `keep_replaced` a file
  // that is replaced can be read by its number until it is forgotten (open_replaced), which keeps its layers open meanwhile.
  // Precondition: no other call runs, and the overlay has no index, which is bound to its lower tree.
  Stale refresh(LayerPtr fresh, std::string_view within, bool keep_replaced);

  // Nothing will be asked any more: the work directory is free for another overlay, which need not wait until all is on
  // the disk. Called at unmount, before sync().
  void leave_work_dir() noexcept;
  // Everything acknowledged reaches the disk (unless not durable).
  Result<void> sync();

 private:
  class Impl;
  explicit Overlay(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace acetate::fs
