// Reading directories.
#include <sys/stat.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "base/log.h"
#include "fs/fuse/ops.h"

namespace acetate::fs {

namespace {

// More than any kernel asks for at once; a request that wants more is not answered with more.
constexpr std::size_t kMostBytes = 1 << 20;

// The records of one reply.
class Page {
 public:
  explicit Page(std::size_t size) : size_(std::min(size, kMostBytes)), bytes_(std::make_unique_for_overwrite<char[]>(size_)) {}

  char* end() noexcept { return bytes_.get() + used_; }
  std::size_t left() const noexcept { return size_ - used_; }
  void added(std::size_t bytes) noexcept { used_ += bytes; }
  int send(fuse_req_t req) const noexcept { return fuse_reply_buf(req, bytes_.get(), used_); }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
  std::size_t used_ = 0;
};

struct stat stat_of(const ListedEntry& entry) noexcept {
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
  serve(
      req,
      [&]() -> Result<Page> {
        Page page(size);
        TRY(served(req).overlay.readdir(ino_of(ino), static_cast<std::uint64_t>(after), [&](const ListedEntry& entry) {
          const struct stat st = stat_of(entry);
          const std::size_t needed = fuse_add_direntry(req, page.end(), page.left(), entry.name.data(), &st, static_cast<off_t>(entry.cookie));
          if (needed > page.left()) return false;
          page.added(needed);
          return true;
        }));
        return page;
      },
      [&](const Page& page) { page.send(req); });
}

// References that were given for a reply; taken back unless the kernel has that.
class Given {
 public:
  explicit Given(Overlay& overlay) : overlay_(&overlay) {}
  Given(Given&& other) noexcept : overlay_(other.overlay_), inos_(std::exchange(other.inos_, {})) {}
  Given& operator=(Given&&) = delete;
  ~Given() {
    for (const Ino one : inos_) overlay_->forget(one, 1);
  }
  // So that the next add() cannot fail.
  void make_room() {
    if (inos_.size() == inos_.capacity()) inos_.reserve(2 * inos_.size() + 16);
  }
  void add(Ino ino) noexcept { inos_.push_back(ino); }
  void keep() noexcept { inos_.clear(); }

 private:
  Overlay* overlay_;
  std::vector<Ino> inos_;
};

struct PlusPage {
  Page page;
  Given given;
};

void readdirplus(fuse_req_t req, fuse_ino_t ino, std::size_t size, off_t after, fuse_file_info*) {
  serve(
      req,
      [&]() -> Result<PlusPage> {
        const Served& context = served(req);
        PlusPage plus{.page = Page(size), .given = Given(context.overlay)};
        Page& page = plus.page;
        // The size of a record is known before the record is made.
        const auto fits = [&](const ListedEntry& entry) {
          plus.given.make_room();
          return fuse_add_direntry_plus(req, nullptr, 0, entry.name.data(), nullptr, 0) <= page.left();
        };
        TRY(context.overlay.readdirplus(ino_of(ino), static_cast<std::uint64_t>(after), fits, [&](const ListedEntry& entry, const Found* found) {
          // ino 0: a name without its inode, which the kernel looks up when it is used. An entry that is left out could leave an empty
          // page, which means the end.
          fuse_entry_param param{};
          if (found != nullptr) {
            plus.given.add(found->ino);
            param = entry_of(context, *found);
          } else {
            param.attr = stat_of(entry);
          }
          page.added(fuse_add_direntry_plus(req, page.end(), page.left(), entry.name.data(), &param, static_cast<off_t>(entry.cookie)));
        }));
        return plus;
      },
      [&](PlusPage plus) {
        if (plus.page.send(req) == 0) plus.given.keep();
      });
}

// The caller has his answer by now; what he is likely to ask next is found out meanwhile, which is no part of the operation.
void readdirplus_and_look_ahead(fuse_req_t req, fuse_ino_t ino, std::size_t size, off_t after, fuse_file_info* info) {
  Served& context = served(req);
  counted<Operation::readdirplus, readdirplus>(req, ino, size, after, info);
  if (after != 0) return;
  const Gate::Pass pass(context.gate);
  try {
    context.overlay.look_ahead(ino_of(ino));
  } catch (const std::exception& error) {
    log::debug("looking ahead: {}", error.what());
  }
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
  table.readdirplus = readdirplus_and_look_ahead;
  table.releasedir = counted<Operation::releasedir, releasedir>;
  if (context.durable) table.fsyncdir = counted<Operation::fsyncdir, fsyncdir>;
}

}  // namespace acetate::fs
