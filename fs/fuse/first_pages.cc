#include "fs/fuse/first_pages.h"

#include <fcntl.h>

#include <algorithm>
#include <exception>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/log.h"
#include "base/sys/memory.h"
#include "fs/fuse/read_buffer.h"

namespace acetate::fs {

namespace {

// As much as the kernel reads ahead, so that it would have asked for it anyway.
constexpr std::size_t kPiece = 128 << 10;
// Of what is executed and mapped: more than most have, and two milliseconds.
constexpr std::size_t kMostOfProgram = 8 << 20;

constexpr int kFlagExec = 0x20;  // FMODE_EXEC: by execve(2); it comes with the flags of OPEN

bool is_program(std::span<const std::byte> begin, int flags) {
  return (flags & kFlagExec) != 0 || as_text(begin).starts_with("\x7f" "ELF");
}

}  // namespace

bool FirstPages::suits(const fuse_file_info& answer) noexcept {
  return (answer.flags & O_ACCMODE) == O_RDONLY && (answer.flags & (O_TRUNC | O_DIRECT)) == 0 && answer.keep_cache && !answer.direct_io;
}

// False: no more of this file.
bool FirstPages::store(Ino ino, std::uint64_t offset, std::span<std::byte> bytes) {
  fuse_bufvec pages{};
  pages.count = 1;
  pages.buf[0].size = bytes.size();
  pages.buf[0].mem = bytes.data();
  const int failed = fuse_lowlevel_notify_store(session_, static_cast<fuse_ino_t>(ino), static_cast<off_t>(offset), &pages, FUSE_BUF_NO_SPLICE);
  if (failed == 0) {
    bytes_.fetch_add(bytes.size(), std::memory_order_relaxed);
    return true;
  }
  // ENOENT: it has forgotten the file meanwhile. ENOMEM may pass.
  if (failed == -ENOSYS || failed == -EINVAL) refused_.store(true, std::memory_order_relaxed);
  log::debug("the kernel takes no pages before it asks for them: {}", Error(-failed).message());
  return false;
}

// `begin` was read from the beginning of the file, into read_buffer().
void FirstPages::store_all(Ino ino, Handle handle, std::span<std::byte> begin, int flags) {
  const std::size_t most = is_program(begin, flags) ? kMostOfProgram : kPiece;
  std::span<std::byte> bytes = begin;
  for (std::size_t offset = 0;;) {
    const bool is_last = bytes.size() < kPiece;
    if (is_last && !gives_ends_) bytes = bytes.first(bytes.size() - bytes.size() % sys::page_size());
    if (bytes.empty() || !store(ino, offset, bytes)) return;
    offset += bytes.size();
    if (is_last || offset >= most) return;
    const std::span<std::byte> buffer = read_buffer(kPiece);
    const auto count = overlay_.read_at_hand(handle, buffer, offset);
    if (!count) return;
    bytes = buffer.first(*count);
  }
}

// Empty where nothing can be given.
std::span<std::byte> FirstPages::beginning(Handle handle) {
  if (session_ == nullptr || refused_.load(std::memory_order_relaxed)) return {};
  // A file that ends in its first page need not be read to learn that.
  const std::span<std::byte> buffer = read_buffer(kPiece);
  if (!gives_ends_) {
    const auto last = overlay_.read_at_hand(handle, buffer.first(1), sys::page_size() - 1);
    if (!last || *last == 0) return {};
  }
  const auto count = overlay_.read_at_hand(handle, buffer, 0);
  return count ? buffer.first(*count) : std::span<std::byte>();
}

void FirstPages::give(Ino ino, Handle handle, int flags) noexcept {
  try {
    if (overlay_.may_have_pages(ino)) return;
    const std::span<std::byte> begin = beginning(handle);
    Lock lock(mutex_of(ino));
    if (overlay_.may_have_pages(ino)) return;
    if (!begin.empty()) store_all(ino, handle, begin, flags);
    overlay_.note_pages(ino);
  } catch (const std::exception& error) {
    log::debug("the kernel was not given the beginning of a file: {}", error.what());
    no_more(ino);
  } catch (...) {
    no_more(ino);
  }
}

void FirstPages::no_more(Ino ino) noexcept {
  if (overlay_.may_have_pages(ino)) return;
  Lock lock(mutex_of(ino));
  overlay_.note_pages(ino);
}

}  // namespace acetate::fs
