// Reading directories.
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <vector>

#include "fs/fuse/ops.h"

namespace acetate::fs {

namespace {

// More than any kernel asks for at once; a request that wants more is not answered with more.
constexpr std::size_t kMostBytes = 1 << 20;

// What fits into one reply, copied out: entries are looked up after the listing has let go of its locks, and an
// entry that does not fit is never looked up, so no reference is taken that the kernel would not learn of.
struct Listed {
  std::string name;
  unsigned char type;
  std::uint64_t ino;
  std::uint64_t cookie;
};

// The size of a reply's record is known before the record is made.
using SizeOf = std::size_t (*)(fuse_req_t req, const char* name);

std::size_t plain_size(fuse_req_t req, const char* name) {
  return fuse_add_direntry(req, nullptr, 0, name, nullptr, 0);
}
std::size_t plus_size(fuse_req_t req, const char* name) {
  return fuse_add_direntry_plus(req, nullptr, 0, name, nullptr, 0);
}

Result<std::vector<Listed>> list(fuse_req_t req, fuse_ino_t ino, off_t after, std::size_t size, SizeOf size_of) {
  std::vector<Listed> entries;
  std::size_t left = size;
  auto each = [&](const ListedEntry& entry) {
    Listed listed{std::string(entry.name), entry.type, entry.ino, entry.cookie};
    const std::size_t needed = size_of(req, listed.name.c_str());
    if (needed > left) return false;
    left -= needed;
    entries.push_back(std::move(listed));
    return true;
  };
  TRY(served(req).overlay.readdir(ino_of(ino), static_cast<std::uint64_t>(after), each));
  return entries;
}

struct stat stat_of(const Listed& entry) noexcept {
  struct stat st {};
  st.st_ino = entry.ino;
  st.st_mode = static_cast<mode_t>(entry.type) << 12;
  return st;
}

// Nothing is kept for an open directory: a reader goes on by the cookies of names.
void opendir(fuse_req_t req, fuse_ino_t, fuse_file_info* info) {
  const Served& context = served(req);
  if (context.without_opendir) {
    fuse_reply_err(req, ENOSYS);  // asked once, never again
    return;
  }
  info->fh = 0;
  info->cache_readdir = info->keep_cache = context.keep_cache;
  fuse_reply_open(req, info);
}

void readdir(fuse_req_t req, fuse_ino_t ino, std::size_t size, off_t after, fuse_file_info*) {
  size = std::min(size, kMostBytes);
  serve(
      req, [&] { return list(req, ino, after, size, plain_size); },
      [&](const std::vector<Listed>& entries) {
        std::vector<char> page(size);
        std::size_t used = 0;
        for (const Listed& entry : entries) {
          const struct stat st = stat_of(entry);
          used += fuse_add_direntry(req, page.data() + used, size - used, entry.name.c_str(), &st,
                                    static_cast<off_t>(entry.cookie));
        }
        fuse_reply_buf(req, page.data(), used);
      });
}

void readdirplus(fuse_req_t req, fuse_ino_t ino, std::size_t size, off_t after, fuse_file_info*) {
  size = std::min(size, kMostBytes);
  serve(
      req, [&] { return list(req, ino, after, size, plus_size); },
      [&](const std::vector<Listed>& entries) {
        Served& context = served(req);
        std::vector<char> page(size);
        std::vector<Ino> given;  // what the kernel will hold once it has the reply
        given.reserve(entries.size());
        std::size_t used = 0;
        for (const Listed& entry : entries) {
          fuse_entry_param param{};  // ino 0: a name without its inode, which the kernel looks up when it is used
          param.attr = stat_of(entry);
          if (entry.name != "." && entry.name != "..") {
            // What cannot be looked up, or went since it was listed, is shown by name: an entry that is left out
            // could leave an empty page, which means the end.
            if (auto found = context.overlay.lookup(ino_of(ino), entry.name)) {
              given.push_back(found->ino);
              param = entry_of(context, *found);
            }
          }
          used += fuse_add_direntry_plus(req, page.data() + used, size - used, entry.name.c_str(), &param,
                                         static_cast<off_t>(entry.cookie));
        }
        if (fuse_reply_buf(req, page.data(), used) == 0) return;
        for (const Ino one : given) context.overlay.forget(one, 1);
      });
}

// Here to be counted.
void releasedir(fuse_req_t req, fuse_ino_t, fuse_file_info*) { fuse_reply_err(req, 0); }

void fsyncdir(fuse_req_t req, fuse_ino_t ino, int, fuse_file_info*) {
  serve(req, [&] { return served(req).overlay.fsyncdir(ino_of(ino)); });
}

}  // namespace

void add_directory_operations(fuse_lowlevel_ops& table, const Served& context) {
  table.opendir = counted<Operation::opendir, opendir>;
  table.readdir = counted<Operation::readdir, readdir>;
  table.readdirplus = counted<Operation::readdirplus, readdirplus>;
  table.releasedir = counted<Operation::releasedir, releasedir>;
  if (context.durable) table.fsyncdir = counted<Operation::fsyncdir, fsyncdir>;
}

}  // namespace acetate::fs
