// What the verbs of the overlay (overlay_*.cc, copy_up.cc) share. Private to fs/.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/scope.h"
#include "fs/fd_cache.h"
#include "fs/handle_table.h"
#include "fs/inode_table.h"
#include "fs/link_index.h"
#include "fs/look_ahead.h"
#include "fs/overlay.h"
#include "fs/overlay_file.h"
#include "fs/recent_listings.h"
#include "fs/upper.h"

namespace acetate::fs {

// What the lower has at a name, held.
struct Below {
  HeldNode node;
  Attr attr;
};

// What stands at one name of a directory.
struct NameState {
  enum class In : std::uint8_t {
    absent,
    whiteout,       // at the name itself: a device 0:0, or a file with overlay.whiteout
    file_whiteout,  // ".wh.NAME" beside it
    object,
  } upper = In::absent;
  bool reserved = false;          // a whiteout's own name: nobody sees it or makes it
  struct statx st {};             // of the upper's object
  std::optional<Below> below = {};  // looked up when asked for, or needed to say what is visible

  bool is_upper() const noexcept { return upper == In::object; }
  bool visible() const noexcept { return !reserved && (is_upper() || (upper == In::absent && below)); }
  bool is_dir() const noexcept { return is_upper() ? S_ISDIR(st.stx_mode) : below->attr.is_dir(); }
  bool lower_dir() const noexcept { return below && below->attr.is_dir(); }
};

// Whether a zero-size file of a directory with xattr whiteouts is one. Only its absence is "no".
Result<bool> has_whiteout_xattr(FileAt at);

class Overlay::Impl {
 public:
  Impl(LayerPtr lower_tree, std::unique_ptr<Upper> upper_tree, const OverlayOptions& how);
  ~Impl();
  Result<void> make_root();

  // --- overlay.cc: the door
  Result<InodeRef> inode(Ino ino);      // ESTALE
  Result<InodeRef> directory(Ino ino);  // ENOTDIR
  Result<InodeRef> writable_directory(Ino ino);  // EROFS; it is in the upper afterwards
  Result<Attr> attr(Inode& inode);
  // Counts one more reference of the kernel's.
  Found give(const InodeRef& inode, Attr attr);
  // As users see it; everything inside speaks of the owners on disk.
  Attr for_users(Attr attr) const noexcept;
  std::uint64_t ino_for_users(std::uint64_t ino) const noexcept;
  // Of the upper's objects, which know it.
  const Permissions& permissions() const noexcept { return upper->permissions(); }

  // --- overlay_backing.cc: from an inode to the upper's object. ESTALE where there is none any more.
  Result<FdPtr> upper_fd(Inode& inode);  // O_PATH
  Result<struct statx> upper_stat(Inode& inode);
  // Never appends but where the file may be opened no other way (chattr +a): the kernel says where each write goes, pages of a mapping among them, and a descriptor that
  // appends would put them behind the end (pwrite(2), BUGS).
  Result<Fd> open_upper(Inode& inode, int flags);
  // Calls `retry` again after closing idle descriptors of ours if it met EMFILE.
  template <class F>
  auto with_descriptors(F&& retry) {
    auto result = retry();
    if (result || !(result.error().is(EMFILE) || result.error().is(ENFILE))) return result;
    fds.shed();
    return retry();
  }
  // Runs `work` on a directory or file of ours; where an unprivileged daemon is refused (EACCES), again with
  // the owner's bits lent to `object` for the moment.
  template <class F>
  auto with_owner_access(FdRef object, mode_t bits, F&& work) -> decltype(work()) {
    return with_owner_access({{object, bits}}, std::forward<F>(work));
  }
  // The same of several, to whichever lacks some.
  struct OwnerAccess {
    FdRef object;
    mode_t bits;
  };
  template <std::size_t count, class F>
  auto with_owner_access(const OwnerAccess (&objects)[count], F&& work) -> decltype(work()) {
    auto result = work();
    if (result || !result.error().is(EACCES)) return result;
    Lock lock(lending);
    lends.fetch_add(1, std::memory_order_acq_rel);
    const Undo lent([&] { lends.fetch_add(1, std::memory_order_release); });
    std::array<std::optional<mode_t>, count> modes;
    bool has_lent = false;
    for (std::size_t i = 0; i < count; ++i) {
      const auto& [object, bits] = objects[i];
      const auto st = stat_of(FileAt{object, ""});
      if (!st || (st->stx_mode & bits) == bits) continue;
      const mode_t mode = st->stx_mode & 07777;
      if (!sys::chmod(object, mode | bits)) continue;
      modes[i] = mode;
      has_lent = true;
    }
    if (!has_lent) return result;
    result = work();
    Result<void> returned;
    for (std::size_t i = 0; i < count; ++i)
      if (modes[i])
        if (auto back = sys::chmod(objects[i].object, *modes[i]); !back) returned = std::move(back);
    TRY(std::move(returned));
    return result;
  }
  // What a directory needs to be moved into another one, since its ".." is written.
  static constexpr mode_t kToMove = 0200;
  // What users may be told of an object of the upper: never bits that are only lent for the moment.
  Result<struct statx> stat_for_users(FileAt at) {
    const std::uint32_t before = lends.load(std::memory_order_acquire);
    auto st = permissions().stat(at);
    if (before % 2 == 0 && before == lends.load(std::memory_order_acquire)) return st;
    Lock lock(lending);
    return permissions().stat(at);
  }
  // The object leaves its place (for good, or to settle elsewhere); its descriptor stays.
  Result<void> unplace(Inode& inode);

  // --- overlay_lookup.cc. The directory's mutex is held, shared at least, where it says _locked.
  Result<NameState> look_in_upper(Inode& dir, const Name& name);
  Result<void> look_below(Inode& dir, const Name& name, NameState& state);
  Result<NameState> look_locked(Inode& dir, const Name& name, bool want_below);
  // `is_new`: no inode was found by a place in the directory when the caller began.
  Result<Child> child_locked(Inode& dir, const Name& name, NameState state, bool is_new = false);
  Result<std::optional<Child>> known_child(Inode& dir, const Name& name, const NameState& state);
  Result<Child> child(Inode& dir, const Name& name, bool is_new);
  Result<InodeRef> adopt_upper_locked(Inode& dir, const Name& name, const struct statx& st, NameState& state);
  Attr shown(const Inode& inode, const struct statx& st) const;
  Result<bool> has_file_whiteouts(Inode& dir);
  Result<Opacity> read_upper_opacity(FdRef dir);  // by attribute or by file

  // --- overlay_ino.cc: st_ino
  std::uint64_t own_ino(std::uint64_t upper_ino) const noexcept;
  Result<std::uint64_t> ino_in(Inode& dir, FileAt at, std::uint64_t upper_ino);
  Result<bool> is_impure(Inode& dir);
  Result<void> make_impure(Inode& dir);
  // Writes it on the object, or remembers it for as long as we live where that cannot be.
  Result<void> keep_ino(FdRef object, std::uint64_t upper_ino, std::uint64_t shown_ino);
  void forget_kept_ino(std::uint64_t upper_ino);

  // --- overlay_xattr.cc: the name on disk of an attribute that users call `name`, and the other way round; nothing for
  // those that are not theirs.
  std::optional<std::string> stored_name(std::string_view name) const;
  std::optional<std::string> visible_name(std::string_view stored) const;
  // Of the inode's node of the lower. Tools that walk a tree ask every file for two or three attributes that hardly any has.
  Result<std::vector<Xattr>> lower_xattrs(Inode& inode);
  Result<std::string> lower_xattr(Inode& inode, std::string_view name);

  // --- overlay_dir.cc
  using EachName = std::function<bool(std::string_view name, unsigned char type, std::uint64_t ino)>;
  struct HashOfName {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>()(name); }
  };
  // What lies over names of the lower: a whiteout, or the nth object that was told.
  using OverLower = std::unordered_map<std::string, std::optional<std::size_t>, HashOfName, std::equal_to<>>;
  // Every visible object of an upper directory until `each` returns false. `over` is filled where there is a lower.
  Result<void> list_upper_locked(Inode& dir, OverLower& over, const EachName& each);
  // Every visible name, "." and ".." not; of the lower's no more once there are more than `most`.
  Result<void> list_locked(Inode& dir, DirListing& into, std::size_t most = SIZE_MAX);
  // The dots, and where they lead.
  static DirListing dots_of(const InodeRef& dir);
  // In order, with the dots.
  Result<DirListing> list(const InodeRef& dir);
  // What serves whoever reads on after `cookie`.
  Result<RecentListingPtr> listing_after(const InodeRef& dir, std::uint64_t cookie);
  // Nobody is told of what fails: who asks will be.
  void look_ahead_in(const InodeRef& dir);
  std::vector<std::optional<Child>> children_locked(Inode& dir, const DirListing& names);
  Result<bool> is_empty_locked(Inode& dir);
  // ENOTEMPTY if `dir`, which stands in `above`, is not; EPERM if it could not be removed in any case.
  Result<void> require_empty_locked(Inode& above, Inode& dir);

  // --- overlay_file.cc: the upper's file of a handle whose inode is in the upper.
  Result<FdRef> file_in_upper(OpenFile& file);
  Result<FdRef> file_for_writing(OpenFile& file);  // EBADF when it was not opened so
  // The same, for a change of its bytes that drops suid and sgid if `kill_suidgid`.
  Result<FdRef> file_for_writing(OpenFile& file, bool kill_suidgid);
  // Inode::told_privileges of a mode.
  static std::uint8_t privileges_in(mode_t mode) noexcept {
    if ((mode & (S_ISUID | S_ISGID)) == 0) return 0;
    return static_cast<std::uint8_t>(((mode & S_ISUID) != 0 ? 4 : 0) | ((mode & S_ISGID) != 0 ? 2 : 0) | ((mode & S_IXGRP) != 0 ? 1 : 0));
  }
  // What the kernel is about to be told of it.
  void note_told(Inode& inode, const Attr& attr) noexcept {
    if (S_ISREG(attr.mode)) inode.told_privileges.store(privileges_in(attr.mode), std::memory_order_relaxed);
  }
  // Something has changed its bytes. Where the file system itself took suid away then, the kernel, which leaves that to us,
  // goes on with the mode it was told; it has to ask again.
  void note_changed(Inode& inode, FdRef object) noexcept;

  // --- overlay_make.cc
  struct NewObject {
    mode_t mode;  // with the type; umask not applied
    const Caller& caller;
    dev_t rdev = 0;
    // `mode` is what the object on disk is made with, which need not be of the type that is shown.
    std::function<Result<void>(FileAt at, mode_t mode)> put;
  };
  Result<Child> make(Inode& dir, const Name& name, const NewObject& object);
  Result<Child> make_locked(Inode& dir, const Name& name, const NewObject& object);
  Result<Child> make_in_place_locked(Inode& dir, const Name& name, const NewObject& object, mode_t mode);
  Result<Child> make_over_whiteout_locked(Inode& dir, const Name& name, const NewObject& object, mode_t mode,
                                          const NameState& state);
  // What a fresh object is to be: its owner, and the mode that chown(2) or the disk took away. `st` is brought up to date.
  Result<void> give_to(FileAt at, struct statx& st, uid_t uid, gid_t gid, const NewObject& object, mode_t mode);
  // Runs `move` for what was made at `from`; its mode need not let its owner move it.
  Result<void> move_new(FileAt from, bool is_dir, const std::function<Result<void>()>& move);
  Child register_new(Inode& dir, const Name* name, const struct statx& st);
  Result<bool> has_default_acl(Inode& dir);
  Result<mode_t> masked_mode(Inode& dir, mode_t mode, const Caller& caller);

  // --- overlay_remove.cc
  Result<void> remove(Ino parent, std::string_view text, bool want_dir);
  // Upper::remove() of what `inode` is, if it is known.
  Result<void> remove_from_upper(Inode* inode, FileAt at, bool is_dir, bool whiteout);
  // Bookkeeping once the last name, or the directory, is gone.
  void removed_locked(Inode& inode, const struct statx& last);
  // A whiteout is about to be put for a name of this directory.
  void expect_whiteout(Inode& dir) {
    if (upper->file_dialect()) dir.dir->file_whiteouts.store(Known::yes, std::memory_order_relaxed);
  }
  // What failed may have left a ".wh." file for a cover (Upper), whichever kind of whiteouts we write: who looks next finds out.
  void expect_cover(Inode& dir) {
    Known none = Known::no;
    dir.dir->file_whiteouts.compare_exchange_strong(none, Known::not_yet, std::memory_order_relaxed);
  }
  // True when its number came from the lower.
  bool brings_ino(const Inode& inode) const noexcept {
    return inode.st_ino.load(std::memory_order_relaxed) != own_ino(inode.upper_ino.load(std::memory_order_relaxed));
  }
  // A name that goes, or moves: if the upper's object is reached by it, its place is taken away.
  Result<OtherNames::Was> take_name(Inode& inode, Inode& dir, const Name& name) {
    const OtherNames::Was was = inodes.other_names().take(inode, dir, name.view());
    if (was == OtherNames::Was::place) TRY(unplace(inode));
    return was;
  }
  // A name that came, or did not go after all.
  void give_name(Inode& inode, Inode& dir, const Name& name) {
    inodes.other_names().add(inode, dir, name.view());
    if (inode.descriptor()) fds.add(inode);
  }
  // After its place is gone for good: with another name at hand its descriptor need not stay.
  void settle_elsewhere(Inode& inode) {
    if (inodes.other_names().settle_elsewhere(inode)) fds.add(inode);
  }

  // --- overlay_links.cc: index=on. A file that has several names in the lower ("shared") is one inode from its first lookup
  // on. Its place is in the index, where its copy is or will be. Without the option nothing is shared.
  Result<void> open_index();
  bool is_shared(Inode& inode) const { return index && !inode.is_dir() && inode.is_in(*index_root); }
  bool is_shared(const Below& below) const { return index && below.attr.is_regular() && below.attr.nlink > 1; }
  // Of what only the lower has at that name.
  Result<InodeRef> shared_locked(Inode& dir, const Name& name, Below& below);
  // Of an object of the upper; null when it is none of the index.
  Result<InodeRef> shared_copy_locked(std::uint64_t upper_ino);
  Result<InodeRef> copy_in_index_locked(std::uint64_t origin, std::uint64_t upper_ino);
  // Where the lower has a shared file.
  Result<std::string> origin_path(Inode& inode);
  // False: it is shared no more, since its last name is gone.
  Result<bool> publish_shared(Inode& inode, const Attr& from, const FdPtr& copy, std::uint64_t upper_ino,
                              const std::string& path, const std::function<Result<void>(FileAt)>& link);
  // Afterwards every known name of a copy is one in the upper, for whoever reads that alone.
  Result<void> link_names(Inode& inode);
  // For these the directory is in the upper, and its names are held exclusively.
  Result<void> link_name_locked(Inode& inode, Inode& dir, const Name& name);
  Result<void> remove_shared_locked(Inode& inode, Inode& dir, const Name& name, const NameState& state);
  // The index is held exclusively: a name of a copy in the upper is about to come or to go, and then one of either kind is gone.
  Result<void> keep_difference(Inode& inode);
  void lost_lower_name(Inode& inode, Inode& dir, const Name& name, const Attr& below, const std::string& path);
  void lost_copy_name(Inode& inode);

  // --- overlay_metacopy.cc
  std::string metacopy_mark() const;
  Result<bool> may_be_metacopy(Inode& dir, const struct statx& st);
  // Gives it its bytes, `keep` of them at most. EIO with words where nobody has them.
  Result<void> complete_copy(Inode& inode, std::optional<std::uint64_t> keep);

  // --- overlay_redirect.cc
  std::string redirect_mark() const;
  // Whether directories that a lower takes part in can be renamed.
  bool may_redirect() const { return options.redirect_dir && !upper->xattr_prefix().empty(); }
  // What the upper's directory or metacopy `object` is completed by, through its redirect or the name it was found at;
  // nothing where that is of another kind.
  Result<HeldNode> merged_below(Inode& parent, FdRef object, NameState& state);
  // From the lower's root to the lower's part of a directory.
  Result<std::string> path_below(Inode& dir);
  // EXDEV where the path is too long for the file system.
  Result<void> put_redirect(Inode& dir);

  // --- overlay_rename.cc
  struct Move;
  // True when it is a directory that a lower takes part in.
  Result<bool> lift(Inode& dir, const Name& name);
  // A directory that is to move takes along what decides what it is merged with.
  Result<void> mark_moved(Inode& moved, bool over_lower_dir);
  Result<bool> rename_locked(Move& move);
  Result<void> move_locked(Move& move);
  // Onto a name of a shared file. False: begin again.
  Result<bool> replace_shared_locked(Move& move, bool target_in_upper);
  Result<void> move_dir_onto_locked(Move& move, FileAt from, FileAt to);
  Result<void> move_dir_onto_empty_locked(Move& move, FileAt from, FileAt to);

  // --- copy_up.cc. No directory's mutex is held: the copy takes the parent's to publish.
  // Afterwards the inode is in the upper. `keep`: so much of a file's data at most is copied. `file`, if given
  // and a regular file was copied by this very call, receives it open for reading and writing.
  Result<void> copy_up(Inode& inode, std::optional<std::uint64_t> keep = {}, Fd* file = nullptr);
  Result<void> copy_up_one(Inode& inode, std::optional<std::uint64_t> keep, Fd* file);
  Result<void> copy_regular(Inode& inode, std::optional<std::uint64_t> keep, Fd* file);
  Result<void> copy_special(Inode& inode);
  // Owner, xattrs, mode, times, and the number users know it by. `truncated`: not all of its data was copied.
  Result<void> copy_metadata(Inode& inode, const Attr& from, FdRef to, const struct statx& st, bool truncated);
  // To users nothing in a directory changes when what it shows is copied up.
  void restore_times(FdRef dir, const struct statx& before, const Name& name) noexcept;
  // Runs `link` while nobody else changes the parent's names, and makes the inode one of the upper. ENOENT when
  // what is no file has no name any more.
  Result<void> publish_copy(Inode& inode, const Attr& from, const FdPtr& copy, std::uint64_t upper_ino,
                            const std::function<Result<void>(FileAt)>& link);

  // --- overlay_flags.cc
  Result<Fd> open_for_flags(Inode& inode);
  template <class Flags>
  Result<Flags> flags_of(Ino ino, unsigned long request);
  template <class Flags>
  Result<void> set_flags_of(Ino ino, unsigned long request, const Flags& flags);

  // --- overlay_refresh.cc
  class Refresh;
  // A file of an earlier lower tree that the kernel knows, and no later one has.
  struct Replaced {
    LayerPtr layer;  // outlives the node's hold
    HeldNode node;
  };
  void forget_replaced(Ino ino) noexcept;

  LayerPtr lower;  // changes in a refresh, when nothing else runs
  const std::unique_ptr<Upper> upper;  // null: read-only
  const OverlayOptions options;
  FdCache fds{FdCache::fair_capacity()};
  InodeTable inodes;
  HandleTable handles;
  RecentListings listings;
  LookAhead look_ahead;
  std::atomic<unsigned> looking_ahead{0};  // threads
  InodeRef root;
  std::unique_ptr<LinkIndex> index;  // null without index=on
  InodeRef index_root;               // its directory, which nobody is told of
  Rememberer* rememberer = nullptr;

  Mutex rename_mutex;  // renames between two directories, and of merged ones: keeps ancestry still
  Mutex lending;       // one at a time lends a mode's bits
  std::atomic<std::uint32_t> lends{0};  // odd while somebody does

  // Waiting for a copy-up of the same inode: a few gates shared by all inodes.
  struct CopyGate {
    std::mutex mutex;
    std::condition_variable done;
  };
  std::array<CopyGate, 16> copy_gates;
  CopyGate& gate_of(const Inode& inode) { return copy_gates[static_cast<std::size_t>(inode.ino) % copy_gates.size()]; }

  Mutex kept_inos_mutex;
  std::unordered_map<std::uint64_t, std::uint64_t> kept_inos GUARDED_BY(kept_inos_mutex);  // upper's -> shown
  std::atomic<bool> any_kept_inos{false};

  Mutex replaced_mutex;  // a leaf
  std::unordered_map<Ino, Replaced> replaced GUARDED_BY(replaced_mutex);
  std::atomic<bool> any_replaced{false};

  std::atomic<std::uint64_t> copy_ups{0};
  std::atomic<std::uint64_t> copied_bytes{0};
  std::atomic<std::uint64_t> known_lookups{0};
  std::atomic<std::uint64_t> asked_lookups{0};
};

}  // namespace acetate::fs
