// Attributes and extended attributes.
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <vector>

#include "fs/fuse/first_pages.h"
#include "fs/fuse/ops.h"
#include "fs/fuse/stateless_files.h"
#include "fs/fuse/suid.h"
#include "fs/fuse/xattr_absence.h"
#include "fs/owner_note.h"

namespace acetate::fs {

namespace {

void getattr(fuse_req_t req, fuse_ino_t ino, fuse_file_info*) {
  serve(
      req, [&] { return served(req).overlay.getattr(ino_of(ino)); },
      [&](const Attr& attr) { reply_attr(req, ino, attr); });
}

AttrChange change_of(const struct stat& to, int what) {
  AttrChange change;
  change.kill_suidgid = (what & FUSE_SET_ATTR_KILL_SUID) != 0;  // FATTR_KILL_SUIDGID has this bit
  if (what & FUSE_SET_ATTR_MODE) change.mode = to.st_mode & 07777;
  if (what & FUSE_SET_ATTR_UID) change.uid = to.st_uid;
  if (what & FUSE_SET_ATTR_GID) change.gid = to.st_gid;
  if (what & FUSE_SET_ATTR_SIZE) change.size = static_cast<std::uint64_t>(to.st_size);
  if (what & FUSE_SET_ATTR_ATIME_NOW) {
    change.atime = TimeChange{.now = true};
  } else if (what & FUSE_SET_ATTR_ATIME) {
    change.atime = TimeChange{.now = false, .at = to.st_atim};
  }
  if (what & FUSE_SET_ATTR_MTIME_NOW) {
    change.mtime = TimeChange{.now = true};
  } else if (what & FUSE_SET_ATTR_MTIME) {
    change.mtime = TimeChange{.now = false, .at = to.st_mtim};
  }
  return change;
}

// Where OPEN is left out ftruncate(2) comes without a handle, and open(2) with O_TRUNC looks like truncate(2) to nothing.
// What is open anyway serves; opening it for this would copy what is to be cut off.
Result<Attr> change_without_open(Served& context, fuse_ino_t ino, AttrChange change, bool through_open) {
  if (!change.size) return context.overlay.setattr(ino_of(ino), change, std::nullopt);
  change.resized = through_open || *change.size == 0;
  const auto held = context.stateless->find(ino_of(ino), StatelessFiles::For::writing);
  return context.overlay.setattr(ino_of(ino), change, held ? std::optional((*held)->handle()) : std::nullopt);
}

void setattr(fuse_req_t req, fuse_ino_t ino, struct stat* to, int what, fuse_file_info* info) {
  serve(
      req,
      [&]() -> Result<Attr> {
        Served& context = served(req);
        AttrChange change = change_of(*to, what);
        // What is left of a SETATTR by whose beginning the kernel meant suid and sgid to go, with KILLPRIV_V2 (fs/fuse/dir.c, fuse_setattr()).
        if (what == 0 && context.drops_suid) TRY(drop_suid(req, ino));
        if (change.size) context.first_pages.no_more(ino_of(ino));
        const bool has_handle = info != nullptr && info->fh != 0;
        if (!has_handle && context.stateless != nullptr && context.stateless->without_open)
          return change_without_open(context, ino, change, info != nullptr);
        change.resized = change.size && info != nullptr;
        return context.overlay.setattr(ino_of(ino), change, info != nullptr ? std::optional(handle_of(info)) : std::nullopt);
      },
      [&](const Attr& attr) { reply_attr(req, ino, attr); });
}

// Answers "how long is it" (size 0) and "give it to me", as getxattr(2) and listxattr(2) ask.
void reply_bytes(fuse_req_t req, std::string_view bytes, std::size_t size) {
  if (size == 0) {
    fuse_reply_xattr(req, bytes.size());
  } else if (bytes.size() > size) {
    fuse_reply_err(req, ERANGE);
  } else {
    fuse_reply_buf(req, bytes.data(), bytes.size());
  }
}

// A file system without ACLs has none to show. The kernel, which checks permissions by them, would take ENOTSUP for
// a failed check and refuse everything.
bool is_acl(std::string_view name) { return name.starts_with("system.posix_acl_"); }

// Whether the kernel was told instead that it need not ask.
bool are_absent(fuse_req_t req) {
  XattrAbsence* absence = served(req).xattr_absence;
  if (absence == nullptr || !absence->tell()) return false;
  fuse_reply_err(req, ENOSYS);
  return true;
}

void getxattr(fuse_req_t req, fuse_ino_t ino, const char* name, std::size_t size) {
  if (are_absent(req)) return;
  XattrAbsence* absence = served(req).xattr_absence;  // the request is gone once it is answered
  bool in_vain = false;
  serve(
      req,
      [&]() -> Result<std::string> {
        auto value = served(req).overlay.getxattr(ino_of(ino), name);
        in_vain = !value && value.error().is(ENODATA);
        if (!value && value.error().is(ENOTSUP) && is_acl(name)) return Error(ENODATA);
        return value;
      },
      [&](const std::string& value) { reply_bytes(req, value, size); });
  if (in_vain && absence != nullptr) absence->asked_in_vain();
}

void listxattr(fuse_req_t req, fuse_ino_t ino, std::size_t size) {
  if (are_absent(req)) return;
  XattrAbsence* absence = served(req).xattr_absence;
  bool in_vain = false;
  serve(
      req, [&] { return served(req).overlay.listxattr(ino_of(ino)); },
      [&](const std::vector<std::string>& names) {
        in_vain = names.empty();
        std::string packed;
        for (const std::string& name : names) packed.append(name.c_str(), name.size() + 1);
        reply_bytes(req, packed, size);
      });
  if (in_vain && absence != nullptr) absence->asked_in_vain();
}

// Setting an access ACL drops sgid when the caller is not of the file's group, as chmod(2) does. The kernel says so in a
// flag that libfuse does not show, so the question is asked again here.
Result<bool> acl_drops_sgid(fuse_req_t req, fuse_ino_t ino, std::string_view name) {
  if (name != "system.posix_acl_access") return false;
  const auto caller = caller_ids(req);
  if (caller && caller->uid == 0) return false;
  const Attr attr = TRY(served(req).overlay.getattr(ino_of(ino)));
  if ((attr.mode & S_ISGID) == 0 || (caller && caller->gid == attr.gid)) return false;
  const int count = fuse_req_getgroups(req, 0, nullptr);
  if (count <= 0) return true;  // whose groups cannot be read gets no more than he must
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  const int got = std::min(fuse_req_getgroups(req, count, groups.data()), count);
  return std::find(groups.begin(), groups.begin() + std::max(got, 0), attr.gid) == groups.begin() + std::max(got, 0);
}

void setxattr(fuse_req_t req, fuse_ino_t ino, const char* name, const char* value, std::size_t size, int flags) {
  serve(req, [&]() -> Result<void> {
    if (std::string_view(name) == kOwnerNote) {
      const auto note = parse_owner_note(std::string_view(value, size));
      return note ? served(req).overlay.note_owner(ino_of(ino), note->uid, note->gid) : Result<void>(Error(EINVAL));
    }
    const bool drop = TRY(acl_drops_sgid(req, ino, name));
    return served(req).overlay.setxattr(ino_of(ino), name, std::string_view(value, size), flags, drop);
  });
}

void removexattr(fuse_req_t req, fuse_ino_t ino, const char* name) {
  serve(req, [&] { return served(req).overlay.removexattr(ino_of(ino), name); });
}

}  // namespace

void add_attr_operations(fuse_lowlevel_ops& table, const Served& context) {
  table.getattr = counted<Operation::getattr, getattr>;
  table.setattr = counted<Operation::setattr, setattr>;
  if (!context.xattrs) return;
  table.getxattr = counted<Operation::getxattr, getxattr>;
  table.listxattr = counted<Operation::listxattr, listxattr>;
  table.setxattr = counted<Operation::setxattr, setxattr>;
  table.removexattr = counted<Operation::removexattr, removexattr>;
}

}  // namespace acetate::fs
