#include "layers/dir_names.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <climits>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "layers/whiteout.h"

namespace acetate::dir {

namespace {

constexpr unsigned char kDirectory = dirent_type(S_IFDIR);
constexpr unsigned char kRegular = dirent_type(S_IFREG);
constexpr unsigned char kCharDevice = dirent_type(S_IFCHR);
constexpr unsigned char kUnknown = 0;

timespec time_of(const statx_timestamp& stamp) {
  return {.tv_sec = static_cast<time_t>(stamp.tv_sec), .tv_nsec = static_cast<long>(stamp.tv_nsec)};
}

std::uint64_t foreign_ino(dev_t device, std::uint64_t ino) {
  // splitmix64's finaliser over both, with a bit that file systems do not reach.
  std::uint64_t x = ino + device * 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return (x ^ (x >> 31)) | std::uint64_t{1} << 63;
}

// Whether a zero-size file stands for a whiteout, in a directory that says it has such.
Result<bool> is_xattr_whiteout(FileAt at) {
  const std::vector<std::string> names = TRY(sys::list_xattrs(at));
  return std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name == "trusted.overlay.whiteout" || name == "user.overlay.whiteout";
  });
}

Result<bool> stands_at(FileAt at) {
  auto st = sys::statx(at, AT_SYMLINK_NOFOLLOW, STATX_TYPE);
  if (!st && !st.error().is(ENOENT)) return std::move(st).error();
  return st.has_value();
}

}  // namespace

Attr attr_of(const struct statx& st, dev_t device) noexcept {
  Attr attr{.mode = st.stx_mode,
            .uid = st.stx_uid,
            .gid = st.stx_gid,
            .nlink = st.stx_nlink,
            .size = st.stx_size,
            .blocks = st.stx_blocks,
            .rdev = makedev(st.stx_rdev_major, st.stx_rdev_minor),
            .ino = st.stx_ino,
            .atime = time_of(st.stx_atime),
            .mtime = time_of(st.stx_mtime),
            .ctime = time_of(st.stx_ctime)};
  if ((st.stx_mask & STATX_BTIME) != 0) attr.btime = time_of(st.stx_btime);
  if (attr.is_dir()) attr.nlink = 1;
  if (const dev_t own = makedev(st.stx_dev_major, st.stx_dev_minor); own != device)
    attr.ino = foreign_ino(own, attr.ino);
  return attr;
}

Result<Stat> stat_entry(FileAt at, const Reading& reading) {
  const int flags = AT_SYMLINK_NOFOLLOW | (*at.name == '\0' ? AT_EMPTY_PATH : 0);
  const struct statx st = TRY(sys::statx(at, flags, STATX_BASIC_STATS | STATX_BTIME));
  Stat stat{.attr = attr_of(st, reading.device), .stored_as_file = S_ISREG(st.stx_mode)};
  if (reading.override_mode == OverrideMode::none || !(stat.attr.is_regular() || stat.attr.is_dir()))
    return stat;
  if (const auto kept = TRY(read_override_stat(at, reading.override_mode))) apply(*kept, stat.attr);
  return stat;
}

Result<Opacity> Names::read_attributes(FdRef dir) {
  const std::vector<std::string> xattrs = TRY(sys::list_xattrs(dir));
  const Opacity opacity = TRY(read_opacity(dir, xattrs));
  opaque_ = opacity == Opacity::opaque;
  has_xattr_whiteouts_ = opacity == Opacity::has_xattr_whiteouts;
  impure_ = std::any_of(xattrs.begin(), xattrs.end(), [](const std::string& name) {
    return name == "trusted.overlay.impure" || name == "user.overlay.impure";
  });
  return opacity;
}

// A mark of ours that is there and may not be read is EACCES too: it may say that what lies below is hidden.
Result<Names> Names::unlisted(FdRef dir) {
  Names names;
  names.listed_ = false;
  TRY(names.read_attributes(dir));
  names.opaque_ = names.opaque_ || TRY(stands_at(FileAt{dir, std::string(kOpaqueFile).c_str()}));
  return names;
}

Result<std::optional<Names::Name>> Names::ask(FdRef dir, const std::string& name, const Reading& reading) const {
  const bool is_no_name = name.empty() || name == "." || name == ".." || name.find_first_of(std::string_view("/\0", 2)) != std::string::npos;
  if (is_no_name || decode_name(name).kind != DecodedName::Kind::ordinary) return std::optional<Name>();
  const FileAt at{dir, name.c_str()};
  auto stat = stat_entry(at, reading);
  if (!stat && !stat.error().is(ENOENT)) return std::move(stat).error();
  Name one{.ino = 0, .offset = 0, .length = static_cast<std::uint16_t>(name.size()), .type = kCharDevice, .whiteout = true, .fresh = false};
  if (!stat || stat->attr.is_dir()) {
    const std::string beside = std::string(kWhiteoutPrefix) + name;
    const bool is_hidden = beside.size() <= NAME_MAX && TRY(stands_at(FileAt{dir, beside.c_str()}));
    if (!stat) return is_hidden ? std::optional<Name>(one) : std::nullopt;
    one.fresh = is_hidden;
  }
  one.ino = stat->attr.ino;
  one.type = dirent_type(stat->attr.mode);
  one.whiteout = is_device_whiteout(stat->attr.mode, stat->attr.rdev);
  if (has_xattr_whiteouts_ && stat->attr.is_regular() && stat->attr.size == 0) one.whiteout = TRY(is_xattr_whiteout(at));
  return std::optional<Name>(one);
}

Result<Names> Names::read(FdRef dir, const Reading& layers_reading) {
  Names names;
  Reading reading = layers_reading;
  if (reading.distrust == Reading::Distrust::directories && TRY(sys::stat(dir)).st_dev != reading.device)
    reading.distrust = Reading::Distrust::everything;  // inside a subvolume all numbers are its own
  const Opacity opacity = TRY(names.read_attributes(dir));
  const auto trusted = [&](unsigned char type) {
    if (type == kUnknown || type == kCharDevice) return false;  // a device may be a whiteout
    if (type == kRegular &&
        (reading.override_mode != OverrideMode::none || opacity == Opacity::has_xattr_whiteouts))
      return false;
    if (reading.distrust == Reading::Distrust::everything) return false;
    return type != kDirectory || reading.distrust == Reading::Distrust::nothing;
  };

  std::optional<Error> failure;
  TRY(sys::read_fresh_dir(dir, [&](const sys::DirEntry& entry) {
    const DecodedName decoded = decode_name(entry.name);
    if (reading.whiteout_files == WhiteoutFiles::refused && decoded.kind != DecodedName::Kind::ordinary) {
      failure = fail(EINVAL, "a layer cannot hold a file called {}: names that begin with .wh. stand for deleted files", entry.name);
      return false;
    }
    switch (decoded.kind) {
      case DecodedName::Kind::whiteout:
        names.add(decoded.hides, kCharDevice, 0, true);
        return true;
      case DecodedName::Kind::opaque:
        names.opaque_ = true;
        return true;
      case DecodedName::Kind::bookkeeping:
        return true;
      case DecodedName::Kind::ordinary:
        break;
    }
    if (trusted(entry.type)) {
      names.add(entry.name, entry.type, entry.ino, false);
      return true;
    }
    const FileAt at{dir, entry.name.data()};
    auto stat = stat_entry(at, reading);
    if (!stat) {
      failure = std::move(stat).error();
      return false;
    }
    bool whiteout = is_device_whiteout(stat->attr.mode, stat->attr.rdev);
    if (opacity == Opacity::has_xattr_whiteouts && stat->attr.is_regular() && stat->attr.size == 0) {
      auto asked = is_xattr_whiteout(at);
      if (!asked) {
        failure = std::move(asked).error();
        return false;
      }
      whiteout = *asked;
    }
    names.add(entry.name, dirent_type(stat->attr.mode), stat->attr.ino, whiteout);
    return true;
  }));
  if (failure) return *std::move(failure);
  names.sort_and_settle();
  return names;
}

void Names::add(std::string_view name, unsigned char type, std::uint64_t ino, bool whiteout) {
  names_.push_back({.ino = ino,
                    .offset = static_cast<std::uint32_t>(text_.size()),
                    .length = static_cast<std::uint16_t>(name.size()),
                    .type = type,
                    .whiteout = whiteout,
                    .fresh = false});
  text_.append(name);
}

// A whiteout and an entry of one name: the entry wins, whichever was read first.
void Names::sort_and_settle() {
  std::sort(names_.begin(), names_.end(), [&](const Name& a, const Name& b) {
    const int order = text(a).compare(text(b));
    return order != 0 ? order < 0 : a.whiteout < b.whiteout;
  });
  std::size_t kept = 0;
  for (const Name& name : names_) {
    if (kept > 0 && text(names_[kept - 1]) == text(name)) {
      names_[kept - 1].fresh = !names_[kept - 1].whiteout;
      continue;
    }
    names_[kept++] = name;
  }
  names_.resize(kept);
  names_.shrink_to_fit();
  text_.shrink_to_fit();
}

const Names::Name* Names::find(std::string_view name) const noexcept {
  const auto found =
      std::lower_bound(names_.begin(), names_.end(), name,
                       [&](const Name& one, std::string_view wanted) { return text(one) < wanted; });
  return found != names_.end() && text(*found) == name ? &*found : nullptr;
}

}  // namespace acetate::dir
