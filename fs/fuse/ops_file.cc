// Open files.
#include <fcntl.h>

#include <memory>
#include <span>

#include "fs/fuse/ops.h"

namespace acetate::fs {

namespace {

// One read buffer a thread, as large as the largest read that came.
std::span<std::byte> read_buffer(std::size_t size) {
  thread_local std::unique_ptr<std::byte[]> buffer;
  thread_local std::size_t capacity = 0;
  if (capacity < size) {
    buffer.reset(new std::byte[size]);
    capacity = size;
  }
  return {buffer.get(), size};
}

void describe(fuse_req_t req, fuse_file_info* info, const Opened& opened) {
  info->fh = static_cast<std::uint64_t>(opened.handle);
  info->keep_cache = opened.keep_cache && served(req).keep_cache;
}

// With writeback caching the kernel reads what it will write part of, and appends by itself.
int backing_flags(const Served& context, int flags) {
  if (!context.writeback) return flags;
  if ((flags & O_ACCMODE) == O_WRONLY) flags = (flags & ~O_ACCMODE) | O_RDWR;
  return flags & ~O_APPEND;
}

void open(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  serve(
      req, [&] { return served(req).overlay.open(ino_of(ino), backing_flags(served(req), info->flags)); },
      [&](const Opened& opened) {
        describe(req, info, opened);
        if (fuse_reply_open(req, info) == -ENOENT) served(req).overlay.release(opened.handle);
      });
}

void reply_created(fuse_req_t req, const Created& created, fuse_file_info* info) {
  Served& context = served(req);
  fuse_entry_param entry{};
  entry.ino = static_cast<fuse_ino_t>(created.found.ino);
  entry.attr = to_stat(created.found.attr);
  entry.attr_timeout = entry.entry_timeout = context.timeout;
  describe(req, info, created.opened);
  if (fuse_reply_create(req, &entry, info) == -ENOENT) {
    context.overlay.release(created.opened.handle);
    context.overlay.forget(created.found.ino, 1);
  }
}

void create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* info) {
  serve(
      req,
      [&] {
        Served& context = served(req);
        return context.overlay.create(ino_of(parent), name, mode, backing_flags(context, info->flags), caller_of(req));
      },
      [&](const Created& created) { reply_created(req, created, info); });
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
void tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode, fuse_file_info* info) {
  serve(
      req,
      [&] {
        Served& context = served(req);
        return context.overlay.tmpfile(ino_of(parent), mode, backing_flags(context, info->flags), caller_of(req));
      },
      [&](const Created& created) { reply_created(req, created, info); });
}
#endif

void read(fuse_req_t req, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* info) {
  const std::span<std::byte> buffer = read_buffer(size);
  serve(
      req, [&] { return served(req).overlay.read(handle_of(info), buffer, static_cast<std::uint64_t>(offset)); },
      [&](std::size_t count) { fuse_reply_buf(req, reinterpret_cast<const char*>(buffer.data()), count); });
}

void write(fuse_req_t req, fuse_ino_t, const char* bytes, std::size_t size, off_t offset, fuse_file_info* info) {
  serve(
      req,
      [&] {
        return served(req).overlay.write(handle_of(info), std::as_bytes(std::span(bytes, size)),
                                         static_cast<std::uint64_t>(offset), false);
      },
      [&](std::size_t count) { fuse_reply_write(req, count); });
}

void release(fuse_req_t req, fuse_ino_t, fuse_file_info* info) {
  served(req).overlay.release(handle_of(info));
  fuse_reply_err(req, 0);
}

void fsync(fuse_req_t req, fuse_ino_t, int data_only, fuse_file_info* info) {
  serve(req, [&] { return served(req).overlay.fsync(handle_of(info), data_only != 0); });
}

void fallocate(fuse_req_t req, fuse_ino_t, int mode, off_t offset, off_t length, fuse_file_info* info) {
  serve(req, [&] {
    return served(req).overlay.fallocate(handle_of(info), mode, static_cast<std::uint64_t>(offset),
                                         static_cast<std::uint64_t>(length));
  });
}

void lseek(fuse_req_t req, fuse_ino_t, off_t offset, int whence, fuse_file_info* info) {
  serve(
      req,
      [&] { return served(req).overlay.lseek(handle_of(info), static_cast<std::uint64_t>(offset), whence); },
      [&](std::uint64_t found) { fuse_reply_lseek(req, static_cast<off_t>(found)); });
}

void copy_file_range(fuse_req_t req, fuse_ino_t, off_t from_offset, fuse_file_info* from, fuse_ino_t, off_t to_offset,
                     fuse_file_info* to, std::size_t length, int) {
  serve(
      req,
      [&] {
        return served(req).overlay.copy_file_range(handle_of(from), static_cast<std::uint64_t>(from_offset),
                                                   handle_of(to), static_cast<std::uint64_t>(to_offset), length);
      },
      [&](std::size_t count) { fuse_reply_write(req, count); });
}

}  // namespace

void add_file_operations(fuse_lowlevel_ops& table, const Served& context) {
  table.open = open;
  table.create = create;
  table.read = read;
  table.write = write;
  table.release = release;
  table.fallocate = fallocate;
  table.lseek = lseek;
  table.copy_file_range = copy_file_range;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
  table.tmpfile = tmpfile;
#endif
  if (context.durable) table.fsync = fsync;
  // No flush: nothing is kept back that a close would have to write.
}

}  // namespace acetate::fs
