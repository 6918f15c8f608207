#include "fs/fuse/reply.h"

#include "fs/fuse/passthrough.h"

namespace acetate::fs {

struct stat to_stat(const Attr& attr) noexcept {
  struct stat st {};
  st.st_ino = attr.ino;
  st.st_mode = attr.mode;
  st.st_nlink = attr.nlink;
  st.st_uid = attr.uid;
  st.st_gid = attr.gid;
  st.st_rdev = attr.rdev;
  st.st_size = static_cast<off_t>(attr.size);
  st.st_blksize = 4096;
  st.st_blocks = static_cast<blkcnt_t>(attr.blocks);
  st.st_atim = attr.atime;
  st.st_mtim = attr.mtime;
  st.st_ctim = attr.ctime;
  return st;
}

double attribute_timeout(const Served& context, Ino ino) noexcept {
  return context.passthrough != nullptr && context.passthrough->changes_unseen(ino) ? 0 : context.timeout;
}

fuse_entry_param entry_of(const Served& context, const Found& found) noexcept {
  fuse_entry_param entry{};  // generation 0: an Ino is never used again
  entry.ino = static_cast<fuse_ino_t>(found.ino);
  entry.attr = to_stat(found.attr);
  entry.entry_timeout = context.timeout;
  entry.attr_timeout = attribute_timeout(context, found.ino);
  return entry;
}

void reply_found(fuse_req_t req, const Found& found) {
  Served& context = served(req);  // the request is gone once it is answered
  const fuse_entry_param entry = entry_of(context, found);
  if (fuse_reply_entry(req, &entry) != 0) context.overlay.forget(found.ino, 1);
}

void reply_absent(fuse_req_t req) {
  const double timeout = served(req).timeout;
  if (timeout <= 0) {
    fuse_reply_err(req, ENOENT);
    return;
  }
  fuse_entry_param entry{};  // ino 0 with a timeout: "not there, and you may remember it"
  entry.entry_timeout = timeout;
  fuse_reply_entry(req, &entry);
}

void reply_attr(fuse_req_t req, fuse_ino_t ino, const Attr& attr) {
  const struct stat st = to_stat(attr);
  fuse_reply_attr(req, &st, attribute_timeout(served(req), Ino{ino}));
}

}  // namespace acetate::fs
