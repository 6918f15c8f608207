#include "fs/fuse/suid.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "fs/fuse/ops.h"
#include "fs/fuse/privileges.h"

namespace acetate::fs {

namespace {

// Whether a change of a file's bytes by the caller takes suid away.
bool kills_suid(fuse_req_t req, fuse_ino_t ino) {
  return served(req).overlay.shows_suid(ino_of(ino)) && !has(fuse_req_ctx(req)->pid, CAP_FSETID);
}
// The same of changes that the kernel may leave to us, or not.
bool must_kill_suid(fuse_req_t req, fuse_ino_t ino) { return served(req).drops_suid && kills_suid(req, ino); }

bool is_in_group(fuse_req_t req, gid_t gid) {
  if (const auto caller = caller_ids(req); caller && caller->gid == gid) return true;
  std::vector<gid_t> groups(32);
  int count = fuse_req_getgroups(req, static_cast<int>(groups.size()), groups.data());
  if (count > static_cast<int>(groups.size())) {
    groups.resize(static_cast<std::size_t>(count));
    count = fuse_req_getgroups(req, count, groups.data());
  }
  groups.resize(static_cast<std::size_t>(std::clamp(count, 0, static_cast<int>(groups.size()))));
  return std::find(groups.begin(), groups.end(), gid) != groups.end();
}

// Somebody outside of the file's group takes its sgid away even where the group may not execute it: setattr_should_drop_sgid(),
// Linux 6.2, of which FUSE says nothing.
Result<void> drop_sgid_of_strangers(fuse_req_t req, fuse_ino_t ino) {
  Overlay& overlay = served(req).overlay;
  const Attr attr = TRY(overlay.getattr(ino_of(ino)));
  if (!attr.is_regular() || (attr.mode & S_ISGID) == 0 || (attr.mode & S_IXGRP) != 0 || is_in_group(req, attr.gid)) return {};
  const mode_t without = attr.mode & 07777 & ~static_cast<mode_t>(S_ISUID | S_ISGID);
  TRY(overlay.setattr(ino_of(ino), AttrChange{.mode = without, .kill_suidgid = true}, std::nullopt));
  return {};
}

Result<void> kill_suidgid(fuse_req_t req, fuse_ino_t ino) {
  TRY(served(req).overlay.setattr(ino_of(ino), AttrChange{.kill_suidgid = true}, std::nullopt));
  return {};
}

}  // namespace

Result<bool> drops_suid_with(fuse_req_t req, fuse_ino_t ino) {
  if (!must_kill_suid(req, ino)) return false;
  TRY(drop_sgid_of_strangers(req, ino));
  return true;
}

Result<void> drop_suid_after_truncation(fuse_req_t req, fuse_ino_t ino, int flags) {
  if ((flags & O_TRUNC) == 0 || !kills_suid(req, ino)) return {};
  return kill_suidgid(req, ino);
}

Result<void> drop_suid(fuse_req_t req, fuse_ino_t ino) {
  TRY(drop_sgid_of_strangers(req, ino));
  return kill_suidgid(req, ino);
}

}  // namespace acetate::fs
