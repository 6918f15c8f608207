// Reading directories.
#include <sys/stat.h>

#include <vector>

#include "fs/fuse/ops.h"

namespace acetate::fs {

namespace {

void opendir(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  serve(
      req, [&] { return served(req).overlay.opendir(ino_of(ino)); },
      [&](const Opened& opened) {
        info->fh = static_cast<std::uint64_t>(opened.handle);
        info->cache_readdir = info->keep_cache = served(req).keep_cache;
        if (fuse_reply_open(req, info) == -ENOENT) served(req).overlay.releasedir(opened.handle);
      });
}

// What fits into one reply, copied out: entries are looked up after the listing has let go of its locks.
struct Listed {
  std::string name;
  unsigned char type;
  std::uint64_t ino;
  std::uint64_t cookie;
};

class Page {
 public:
  Page(fuse_req_t req, std::size_t size) : req_(req), bytes_(size) {}

  bool add(const Listed& entry) {
    struct stat st {};
    st.st_ino = entry.ino;
    st.st_mode = static_cast<mode_t>(entry.type) << 12;
    return took(fuse_add_direntry(req_, bytes_.data() + used_, left(), entry.name.c_str(), &st,
                                  static_cast<off_t>(entry.cookie)));
  }
  bool add(const Listed& entry, const fuse_entry_param& param) {
    return took(fuse_add_direntry_plus(req_, bytes_.data() + used_, left(), entry.name.c_str(), &param,
                                       static_cast<off_t>(entry.cookie)));
  }
  void reply() { fuse_reply_buf(req_, bytes_.data(), used_); }

 private:
  std::size_t left() const { return bytes_.size() - used_; }
  bool took(std::size_t needed) {
    if (needed > left()) return false;
    used_ += needed;
    return true;
  }
  fuse_req_t req_;
  std::vector<char> bytes_;
  std::size_t used_ = 0;
};

// As many entries as can fit: no entry is smaller than `each` bytes and its name.
Result<std::vector<Listed>> list(fuse_req_t req, fuse_file_info* info, off_t after, std::size_t size, std::size_t each) {
  std::vector<Listed> entries;
  std::size_t used = 0;
  TRY(served(req).overlay.readdir(handle_of(info), static_cast<std::uint64_t>(after), [&](const ListedEntry& entry) {
    used += each + entry.name.size();
    entries.push_back({std::string(entry.name), entry.type, entry.ino, entry.cookie});
    return used < size;
  }));
  return entries;
}

void readdir(fuse_req_t req, fuse_ino_t, std::size_t size, off_t after, fuse_file_info* info) {
  serve(
      req, [&] { return list(req, info, after, size, 24); },  // sizeof(fuse_dirent)
      [&](const std::vector<Listed>& entries) {
        Page page(req, size);
        for (const Listed& entry : entries)
          if (!page.add(entry)) break;
        page.reply();
      });
}

void readdirplus(fuse_req_t req, fuse_ino_t ino, std::size_t size, off_t after, fuse_file_info* info) {
  serve(
      req, [&] { return list(req, info, after, size, 152); },  // sizeof(fuse_direntplus)
      [&](const std::vector<Listed>& entries) {
        Served& context = served(req);
        Page page(req, size);
        for (const Listed& entry : entries) {
          fuse_entry_param param{};
          param.attr.st_ino = entry.ino;
          param.attr.st_mode = static_cast<mode_t>(entry.type) << 12;
          if (entry.name != "." && entry.name != "..") {
            auto found = context.overlay.lookup(ino_of(ino), entry.name);
            if (!found && found.error().is(ENOENT)) continue;  // gone since it was listed
            // Any other failure is told to whoever looks the name up: ino 0 makes the kernel ask.
            if (found) {
              param.ino = static_cast<fuse_ino_t>(found->ino);
              param.attr = to_stat(found->attr);
              param.attr_timeout = param.entry_timeout = context.timeout;
            }
          }
          if (page.add(entry, param)) continue;
          // Did not fit, so the kernel does not know that it holds it.
          if (param.ino != 0) context.overlay.forget(ino_of(param.ino), 1);
          break;
        }
        page.reply();
      });
}

void releasedir(fuse_req_t req, fuse_ino_t, fuse_file_info* info) {
  served(req).overlay.releasedir(handle_of(info));
  fuse_reply_err(req, 0);
}

void fsyncdir(fuse_req_t req, fuse_ino_t, int, fuse_file_info* info) {
  serve(req, [&] { return served(req).overlay.fsyncdir(handle_of(info)); });
}

}  // namespace

void add_directory_operations(fuse_lowlevel_ops& table) {
  table.opendir = opendir;
  table.readdir = readdir;
  table.readdirplus = readdirplus;
  table.releasedir = releasedir;
  table.fsyncdir = fsyncdir;
}

}  // namespace acetate::fs
