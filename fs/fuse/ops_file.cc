// Open files.
#include <fcntl.h>
#include <sys/stat.h>

#include <span>

#include "fs/fuse/first_pages.h"
#include "fs/fuse/ops.h"
#include "fs/fuse/passthrough.h"
#include "fs/fuse/read_buffer.h"
#include "fs/fuse/stateless_files.h"
#include "fs/fuse/suid.h"

namespace acetate::fs {

namespace {

// What the kernel is told of a handle. From then on it is open, until closed(); after an error it is not.
Result<void> describe(Served& context, [[maybe_unused]] Ino ino, fuse_file_info* info, const Opened& opened, [[maybe_unused]] Passthrough::Known known) {
  info->fh = static_cast<std::uint64_t>(opened.handle);
  info->keep_cache = opened.keep_cache && context.keep_cache;
  info->noflush = 1;  // nothing is kept back that a close would have to write
  const bool may_map = (info->flags & O_ACCMODE) == O_RDWR;
#ifdef FUSE_CAP_PASSTHROUGH
  if (context.passthrough == nullptr) {
    if (may_map) context.overlay.note_mappable(ino);
    return {};
  }
  auto way = context.passthrough->opened(ino, opened.handle, info->flags, known);
  if (!way) {
    context.overlay.release(opened.handle);
    return std::move(way).error();
  }
  info->backing_id = way->backing;
  info->direct_io = way->direct;
  if (way->backing != 0 || way->stale_cache) info->keep_cache = 0;  // the kernel refuses it beside a backing file
  // Of what is passed through the mapping is of the file in the upper itself.
  if (may_map && way->backing == 0) context.overlay.note_mappable(ino);
#else
  if (may_map) context.overlay.note_mappable(ino);
#endif
  return {};
}

void closed(Served& context, Ino ino, const fuse_file_info* info) noexcept {
  if (context.passthrough != nullptr) context.passthrough->closed(ino);
  context.overlay.release(handle_of(info));
}

// With writeback caching the kernel reads what it will write part of, and appends by itself.
int backing_flags(const Served& context, int flags) {
  if (!context.writeback) return flags;
  if ((flags & O_ACCMODE) == O_WRONLY) flags = (flags & ~O_ACCMODE) | O_RDWR;
  return flags & ~O_APPEND;
}

Result<Opened> open_file(fuse_req_t req, fuse_ino_t ino, int flags) {
  Served& context = served(req);
  const Opened opened = TRY(context.overlay.open(ino_of(ino), backing_flags(context, flags)));
  if (auto dropped = drop_suid_after_truncation(req, ino, flags); !dropped) {
    context.overlay.release(opened.handle);
    return std::move(dropped).error();
  }
  return opened;
}

bool without_open(fuse_req_t req) {
  const StatelessFiles* const files = served(req).stateless;
  return files != nullptr && files->without_open;
}

void open(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  if (without_open(req)) {
    fuse_reply_err(req, ENOSYS);  // asked once, never again
    return;
  }
  serve(
      req,
      [&]() -> Result<void> {
        Served& context = served(req);
        const Opened opened = TRY(open_file(req, ino, info->flags));
        TRY(describe(context, ino_of(ino), info, opened, Passthrough::Known::yes));
        if (FirstPages::suits(*info)) context.first_pages.give(ino_of(ino), opened.handle, info->flags);
        else context.first_pages.no_more(ino_of(ino));
        return {};
      },
      [&](auto&&) {
        Served& context = served(req);
        if (fuse_reply_open(req, info) != 0) closed(context, ino_of(ino), info);
      });
}

// Nobody has been told of a file that was just made.
Result<Created> describe_created(fuse_req_t req, Created created, fuse_file_info* info) {
  Served& context = served(req);
  context.first_pages.no_more(created.found.ino);
  if (auto told = describe(context, created.found.ino, info, created.opened, Passthrough::Known::no); !told) {
    context.overlay.forget(created.found.ino, 1);
    return std::move(told).error();
  }
  return created;
}

void reply_created(fuse_req_t req, const Created& created, fuse_file_info* info) {
  Served& context = served(req);
  const fuse_entry_param entry = entry_of(context, created.found);
  if (fuse_reply_create(req, &entry, info) != 0) {
    closed(context, created.found.ino, info);
    context.overlay.forget(created.found.ino, 1);
  }
}

void create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* info) {
  if (without_open(req)) {
    fuse_reply_err(req, ENOSYS);  // asked once: MKNOD makes files from now on
    return;
  }
  serve(
      req,
      [&]() -> Result<Created> {
        Served& context = served(req);
        Created created = TRY(context.overlay.create(ino_of(parent), name, mode, backing_flags(context, info->flags), caller_of(req)));
        return describe_created(req, created, info);
      },
      [&](const Created& created) { reply_created(req, created, info); });
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
void tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode, fuse_file_info* info) {
  if (without_open(req)) {
    fuse_reply_err(req, ENOSYS);  // the kernel would never tell us that it is closed
    return;
  }
  serve(
      req,
      [&]() -> Result<Created> {
        // Whoever has no id in our namespace can own nothing; of other ways to make a file the kernel sees to that itself.
        const Caller caller = caller_of(req);
        if (caller.uid == static_cast<uid_t>(-1) || caller.gid == static_cast<gid_t>(-1)) return Error(EOVERFLOW);
        Served& context = served(req);
        Created created = TRY(context.overlay.tmpfile(ino_of(parent), mode, backing_flags(context, info->flags), caller));
        return describe_created(req, created, info);
      },
      [&](const Created& created) { reply_created(req, created, info); });
}
#endif

void read(fuse_req_t req, fuse_ino_t ino, std::size_t size, off_t offset, fuse_file_info* info) {
  std::span<std::byte> buffer;
  serve(
      req,
      [&] {
        buffer = read_buffer(size);
        return with_file(req, ino, info, StatelessFiles::For::reading, [&](Handle file) {
          return served(req).overlay.read(file, buffer, static_cast<std::uint64_t>(offset));
        });
      },
      // Copied out, not spliced: measured faster.
      [&](std::size_t count) { fuse_reply_buf(req, reinterpret_cast<const char*>(buffer.data()), count); });
}

void write(fuse_req_t req, fuse_ino_t ino, const char* bytes, std::size_t size, off_t offset, fuse_file_info* info) {
  serve(
      req,
      [&] {
        return with_file(req, ino, info, StatelessFiles::For::writing, [&](Handle file) -> Result<std::size_t> {
          const auto from = std::as_bytes(std::span(bytes, size));
          if (info->writepage != 0) return served(req).overlay.write_back(file, from, static_cast<std::uint64_t>(offset));
          const bool kill = TRY(drops_suid_with(req, ino));
          return served(req).overlay.write(file, from, static_cast<std::uint64_t>(offset), kill);
        });
      },
      [&](std::size_t count) { fuse_reply_write(req, count); });
}

void release(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  closed(served(req), ino_of(ino), info);
  fuse_reply_err(req, 0);
}

void fsync(fuse_req_t req, fuse_ino_t ino, int data_only, fuse_file_info* info) {
  serve(req, [&] {
    return with_file(req, ino, info, StatelessFiles::For::reading,
                     [&](Handle file) { return served(req).overlay.fsync(file, data_only != 0); });
  });
}

void fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length, fuse_file_info* info) {
  serve(req, [&] {
    return with_file(req, ino, info, StatelessFiles::For::writing, [&](Handle file) -> Result<void> {
      const bool kill = TRY(drops_suid_with(req, ino));
      return served(req).overlay.fallocate(file, mode, static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(length), kill);
    });
  });
}

void lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, fuse_file_info* info) {
  serve(
      req,
      [&] {
        return with_file(req, ino, info, StatelessFiles::For::reading, [&](Handle file) {
          // What is changed by a mapping comes to us when the kernel likes, and it does not ask itself before it asks us. Of files that it does not open nobody knows.
          Served& context = served(req);
          const bool all_is_data = without_open(req) || context.overlay.is_mappable(ino_of(ino));
          return context.overlay.lseek(file, static_cast<std::uint64_t>(offset), whence, all_is_data);
        });
      },
      [&](std::uint64_t found) { fuse_reply_lseek(req, static_cast<off_t>(found)); });
}

void copy_file_range(fuse_req_t req, fuse_ino_t ino, off_t from_offset, fuse_file_info* from, fuse_ino_t to_ino, off_t to_offset,
                     fuse_file_info* to, std::size_t length, int) {
  serve(
      req,
      [&] {
        return with_file(req, to_ino, to, StatelessFiles::For::writing, [&](Handle target) {
          return with_file(req, ino, from, StatelessFiles::For::reading, [&](Handle source) -> Result<std::size_t> {
            const bool kill = TRY(drops_suid_with(req, to_ino));
            return served(req).overlay.copy_file_range(source, static_cast<std::uint64_t>(from_offset), target,
                                                       static_cast<std::uint64_t>(to_offset), length, kill);
          });
        });
      },
      [&](std::size_t count) { fuse_reply_write(req, count); });
}

}  // namespace

void add_file_operations(fuse_lowlevel_ops& table, const Served& context) {
  table.open = counted<Operation::open, open>;
  table.create = counted<Operation::create, create>;
  table.read = counted<Operation::read, read>;
  table.write = counted<Operation::write, write>;
  table.release = counted<Operation::release, release>;
  table.fallocate = counted<Operation::fallocate, fallocate>;
  // With writeback caching any file may have bytes that we do not know of: then the kernel takes all for data.
  if (!context.writeback) table.lseek = counted<Operation::lseek, lseek>;
  table.copy_file_range = counted<Operation::copy_file_range, copy_file_range>;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
  table.tmpfile = counted<Operation::tmpfile, tmpfile>;
#endif
  if (context.durable) table.fsync = counted<Operation::fsync, fsync>;
  // No flush: kernels that do not know `noflush` are told once that there is none.
}

}  // namespace acetate::fs
