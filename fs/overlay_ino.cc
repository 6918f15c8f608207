// st_ino: what a user sees must not change when a file is copied up, nor at the next mount, nor be another's.
//
// An object of the lower keeps the lower's number. When it is copied up the number goes with it, in the private
// xattr "overlay.acetate.ino", beside the number of the copy itself: who copies a piece of an upper with its xattrs (`cp -a`) must not get two files of
// one number, which diff(1) takes for equal. So that reading a directory need not ask every entry for one, the directory is
// marked with the kernel's own "overlay.impure". Objects born in the upper show the upper's number, which
// collides with none of the lower's if both lie on one file system, and is moved out of the way if not.
#include <charconv>

#include "base/sys/xattr.h"
#include "fs/overlay_impl.h"

namespace acetate::fs {

namespace {

// Above what file systems and layer indexes hand out, and below what a stack of layers puts over these (layers/stack_nodes.cc); so it fits into a double,
// in which Node.js keeps such numbers.
constexpr std::uint64_t kForeign = std::uint64_t{1} << 42;
// For those that are higher already. Still positive for who reads it signed.
constexpr std::uint64_t kHighForeign = std::uint64_t{1} << 62;

// What the attribute's value says of the upper's object of that number: "SHOWN OF", or "SHOWN" alone, as it was written before. Nothing if it was made for
// another object, or is somebody else's idea of the value: no reason to hide the file.
std::optional<std::uint64_t> kept_by(std::string_view value, std::uint64_t upper_ino) {
  const char* const end = value.data() + value.size();
  std::uint64_t shown = 0;
  auto parsed = std::from_chars(value.data(), end, shown);
  if (parsed.ec != std::errc() || shown == 0) return std::nullopt;
  if (parsed.ptr == end) return shown;
  if (*parsed.ptr != ' ') return std::nullopt;
  std::uint64_t of = 0;
  parsed = std::from_chars(parsed.ptr + 1, end, of);
  if (parsed.ec != std::errc() || parsed.ptr != end || of != upper_ino) return std::nullopt;
  return shown;
}

bool means_no_xattr(const Error& error) {
  return error.is(ENODATA) || error.is(ENOTSUP) || error.is(EPERM) || error.is(EACCES);
}

}  // namespace

std::uint64_t Overlay::Impl::own_ino(std::uint64_t upper_ino) const noexcept {
  if (lower->device() != 0 && lower->device() == upper->device()) return upper_ino;
  return upper_ino | (upper_ino < kForeign ? kForeign : kHighForeign);
}

Result<bool> Overlay::Impl::is_impure(Inode& dir) {
  const Known known = dir.dir->impure.load(std::memory_order_relaxed);
  if (known != Known::not_yet) return known == Known::yes;
  if (upper->mark_prefix().empty()) return false;
  auto mark = sys::get_xattr(TRY(upper_fd(dir))->ref(), (upper->mark_prefix() + "impure").c_str());
  if (!mark && !means_no_xattr(mark.error())) return std::move(mark).error();
  const bool impure = mark && *mark == "y";
  Known before = Known::not_yet;
  dir.dir->impure.compare_exchange_strong(before, impure ? Known::yes : Known::no);
  return impure || before == Known::yes;
}

Result<void> Overlay::Impl::make_impure(Inode& dir) {
  if (upper->xattr_prefix().empty() || TRY(is_impure(dir))) return {};
  const FdPtr fd = TRY(upper_fd(dir));
  auto marked = with_owner_access(fd->ref(), 0700, [&] {
    return sys::set_xattr(fd->ref(), (upper->xattr_prefix() + "impure").c_str(), "y");
  });
  if (!marked && !means_no_xattr(marked.error())) return marked;
  if (marked) dir.dir->impure.store(Known::yes, std::memory_order_relaxed);
  return {};
}

Result<std::uint64_t> Overlay::Impl::ino_in(Inode& dir, FileAt at, std::uint64_t upper_ino) {
  if (any_kept_inos.load(std::memory_order_relaxed)) {
    Lock lock(kept_inos_mutex);
    if (const auto kept = kept_inos.find(upper_ino); kept != kept_inos.end()) return kept->second;
  }
  if (!TRY(is_impure(dir))) return own_ino(upper_ino);
  auto text = sys::get_xattr(at, (upper->mark_prefix() + "acetate.ino").c_str());
  if (!text) {
    if (means_no_xattr(text.error())) return own_ino(upper_ino);
    return std::move(text).error();
  }
  const auto kept = kept_by(*text, upper_ino);
  return kept ? *kept : own_ino(upper_ino);
}

Result<void> Overlay::Impl::keep_ino(FdRef object, std::uint64_t upper_ino, std::uint64_t shown_ino) {
  if (!upper->xattr_prefix().empty()) {
    auto kept = sys::set_xattr(object, (upper->xattr_prefix() + "acetate.ino").c_str(), fmt::format("{} {}", shown_ino, upper_ino));
    if (kept) return {};
    // "user." xattrs are for files and directories only; some file systems have none for others either.
    if (!means_no_xattr(kept.error())) return kept;
  }
  Lock lock(kept_inos_mutex);
  kept_inos[upper_ino] = shown_ino;
  any_kept_inos.store(true, std::memory_order_relaxed);
  return {};
}

void Overlay::Impl::forget_kept_ino(std::uint64_t upper_ino) {
  if (!any_kept_inos.load(std::memory_order_relaxed)) return;
  Lock lock(kept_inos_mutex);
  kept_inos.erase(upper_ino);
}

}  // namespace acetate::fs
