// Names to inodes, and making and removing names.
#include <fcntl.h>
#include <sys/stat.h>

#include "fs/fuse/give_back.h"
#include "fs/fuse/ops.h"
#include "fs/fuse/passthrough.h"
#include "fs/fuse/stateless_files.h"

namespace acetate::fs {

namespace {

void lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  bool absent = false;
  serve(
      req,
      [&]() -> Result<Found> {
        auto found = served(req).overlay.lookup(ino_of(parent), name);
        absent = !found && found.error().is(ENOENT);
        if (absent) return Found{};
        return found;
      },
      [&](const Found& found) { absent ? reply_absent(req) : reply_found(req, found); });
}

void forget_one(Served& context, fuse_ino_t ino, std::uint64_t count) {
  if (!context.overlay.forget(ino_of(ino), count)) return;
  if (context.stateless != nullptr) context.stateless->drop(ino_of(ino));
  if (context.passthrough != nullptr) context.passthrough->forgotten(ino_of(ino));
}

void forget(fuse_req_t req, fuse_ino_t ino, std::uint64_t count) {
  Served& context = served(req);
  forget_one(context, ino, count);
  fuse_reply_none(req);
  context.give_back->forgot(context.overlay.stats().inodes);
}

void forget_multi(fuse_req_t req, std::size_t count, fuse_forget_data* forgets) {
  Served& context = served(req);
  for (std::size_t i = 0; i < count; ++i) forget_one(context, forgets[i].ino, forgets[i].nlookup);
  fuse_reply_none(req);
  context.give_back->forgot(context.overlay.stats().inodes);
}

// Whoever makes a file without CREATE will most often write it next: its descriptor is kept at hand.
Result<Found> make_file(Served& context, fuse_ino_t parent, const char* name, mode_t mode, const Caller& caller) {
  const Created made = TRY(context.overlay.create(ino_of(parent), name, mode, O_RDWR | O_EXCL, caller));
  context.stateless->keep(made.found.ino, made.opened.handle);
  return made.found;
}

void mknod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t rdev) {
  serve(
      req,
      [&] {
        Served& context = served(req);
        if (S_ISREG(mode) && context.stateless != nullptr && context.stateless->without_open)
          return make_file(context, parent, name, mode, caller_of(req));
        return context.overlay.mknod(ino_of(parent), name, mode, rdev, caller_of(req));
      },
      [&](const Found& found) { reply_found(req, found); });
}

void mkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  serve(
      req, [&] { return served(req).overlay.mkdir(ino_of(parent), name, mode, caller_of(req)); },
      [&](const Found& found) { reply_found(req, found); });
}

void symlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name) {
  serve(
      req, [&] { return served(req).overlay.symlink(ino_of(parent), name, target, caller_of(req)); },
      [&](const Found& found) { reply_found(req, found); });
}

void link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char* new_name) {
  serve(
      req, [&] { return served(req).overlay.link(ino_of(ino), ino_of(new_parent), new_name); },
      [&](const Found& found) { reply_found(req, found); });
}

void unlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
  serve(req, [&] { return served(req).overlay.unlink(ino_of(parent), name); });
}

void rmdir(fuse_req_t req, fuse_ino_t parent, const char* name) {
  serve(req, [&] { return served(req).overlay.rmdir(ino_of(parent), name); });
}

void rename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent, const char* new_name,
            unsigned flags) {
  serve(req, [&] {
    return served(req).overlay.rename(ino_of(parent), name, ino_of(new_parent), new_name, flags);
  });
}

void readlink(fuse_req_t req, fuse_ino_t ino) {
  serve(
      req, [&] { return served(req).overlay.readlink(ino_of(ino)); },
      [&](const std::string& target) { fuse_reply_readlink(req, target.c_str()); });
}

}  // namespace

void add_name_operations(fuse_lowlevel_ops& table) {
  table.lookup = counted<Operation::lookup, lookup>;
  table.forget = counted<Operation::forget, forget>;
  table.forget_multi = counted<Operation::forget, forget_multi>;
  table.mknod = counted<Operation::mknod, mknod>;
  table.mkdir = counted<Operation::mkdir, mkdir>;
  table.symlink = counted<Operation::symlink, symlink>;
  table.link = counted<Operation::link, link>;
  table.unlink = counted<Operation::unlink, unlink>;
  table.rmdir = counted<Operation::rmdir, rmdir>;
  table.rename = counted<Operation::rename, rename>;
  table.readlink = counted<Operation::readlink, readlink>;
}

}  // namespace acetate::fs
