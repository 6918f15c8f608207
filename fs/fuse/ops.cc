#include "fs/fuse/ops.h"

#include "fs/fuse/passthrough.h"
#include "fs/fuse/stateless_files.h"

namespace acetate::fs {

namespace {

void init(void* user, fuse_conn_info* connection) { negotiate(*static_cast<Served*>(user), connection); }

void statfs(fuse_req_t req, fuse_ino_t) {
  serve(
      req, [&] { return served(req).overlay.statfs(); },
      [&](const SpaceInfo& space) {
        struct statvfs out {};
        out.f_bsize = out.f_frsize = space.block_size;
        out.f_blocks = space.blocks;
        out.f_bfree = space.blocks_free;
        out.f_bavail = space.blocks_available;
        out.f_files = space.files;
        out.f_ffree = out.f_favail = space.files_free;
        out.f_namemax = space.name_max;
        fuse_reply_statfs(req, &out);
      });
}

}  // namespace

Caller caller_of(fuse_req_t req) noexcept {
  const fuse_ctx* context = fuse_req_ctx(req);
  return Caller{.uid = context->uid, .gid = context->gid, .pid = context->pid, .umask = context->umask};
}

void negotiate(Served& context, fuse_conn_info* connection) {
  auto want = [&](auto flag, bool wanted) {
    if (wanted && (connection->capable & flag) != 0) {
      connection->want |= flag;
    } else {
      connection->want &= ~flag;
    }
  };
  want(FUSE_CAP_DONT_MASK, true);  // the umask is ours to apply: a default ACL takes its place
  want(FUSE_CAP_PARALLEL_DIROPS, true);
  want(FUSE_CAP_CACHE_SYMLINKS, context.keep_cache);
  want(FUSE_CAP_READDIRPLUS, !context.exact);
  want(FUSE_CAP_READDIRPLUS_AUTO, !context.exact);  // of a directory whose entries nobody looks at only the first page brings attributes
  // Then the kernel keeps listings by itself, and asks no more whether it may.
  context.without_opendir = context.keep_cache && (connection->capable & FUSE_CAP_NO_OPENDIR_SUPPORT) != 0;
  if (context.stateless != nullptr) context.stateless->without_open = context.keep_cache && (connection->capable & FUSE_CAP_NO_OPEN_SUPPORT) != 0;
  // So that a truncating open copies nothing up. Where OPEN is left out the kernel truncates by SETATTR.
  want(FUSE_CAP_ATOMIC_O_TRUNC, context.stateless == nullptr || !context.stateless->without_open);
  want(FUSE_CAP_POSIX_ACL, context.acl && context.xattrs);
  want(FUSE_CAP_WRITEBACK_CACHE, context.writeback);
  // Nobody but this mount changes the files: the kernel need not compare mtimes at each open.
  want(FUSE_CAP_AUTO_INVAL_DATA, !context.keep_cache);
#ifdef FUSE_CAP_EXPLICIT_INVAL_DATA
  want(FUSE_CAP_EXPLICIT_INVAL_DATA, context.keep_cache);
#endif
  // After an asynchronous direct write the kernel does not look for pages that were read meanwhile, and would show the old
  // bytes for ever (mm/filemap.c, generic_file_direct_write(); xfstests generic/451).
  want(FUSE_CAP_ASYNC_DIO, false);
  // Measured: copying a reply beats splicing it.
  want(FUSE_CAP_SPLICE_READ, false);
  want(FUSE_CAP_SPLICE_WRITE, false);
  want(FUSE_CAP_SPLICE_MOVE, false);
  want(FUSE_CAP_HANDLE_KILLPRIV, false);
#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
  // Spares a GETXATTR(security.capability) before each write. Capabilities go with any write to the upper; suid does with an
  // unprivileged daemon's, else it is for us to drop.
  want(FUSE_CAP_HANDLE_KILLPRIV_V2, true);
  context.drops_suid = !context.upper_drops_suid && (connection->want & FUSE_CAP_HANDLE_KILLPRIV_V2) != 0;
#endif
#ifdef FUSE_CAP_PASSTHROUGH
  want(FUSE_CAP_PASSTHROUGH, context.passthrough != nullptr);
  // Files of the upper lie on a file system that is on no other; another overlay may still be put on this mount.
  connection->max_backing_stack_depth = FUSE_BACKING_STACKED_UNDER;
  if ((connection->want & FUSE_CAP_PASSTHROUGH) != 0) context.passthrough->begin(context.connection);
#endif
#ifdef FUSE_CAP_NO_EXPORT_SUPPORT
  // A number that the kernel has forgotten leads nowhere: handles made of it would go stale with the cache.
  want(FUSE_CAP_NO_EXPORT_SUPPORT, true);
#endif
  connection->max_write = 1 << 20;
  connection->max_readahead = 1 << 20;
  connection->max_background = 64;
  connection->congestion_threshold = 48;
  connection->time_gran = 1;
}

fuse_lowlevel_ops operations(const Served& context) {
  fuse_lowlevel_ops table{};
  table.init = init;
  table.statfs = counted<Operation::statfs, statfs>;
  add_name_operations(table);
  add_attr_operations(table, context);
  add_ioctl_operation(table);
  add_file_operations(table, context);
  add_directory_operations(table, context);
  return table;
}

}  // namespace acetate::fs
