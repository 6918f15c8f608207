#include "fs/link_index.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "base/log.h"
#include "base/number.h"
#include "base/rel_path.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "layers/stack.h"

namespace acetate::fs {

namespace {

constexpr std::string_view kLost = ".lost";  // "3 IDENTITY PATH": so many names are gone
constexpr std::size_t kDigits = 16;
constexpr std::size_t kMostText = 4000;  // what a symlink's target holds on every file system

// Another file at the same place, with the same number, differs in one of these.
std::string identity_of(const Attr& attr) {
  return fmt::format("{:o}:{}:{}.{:09}:{}.{:09}", attr.mode & S_IFMT, attr.size, attr.mtime.tv_sec, attr.mtime.tv_nsec,
                     attr.btime.tv_sec, attr.btime.tv_nsec);
}

// "word rest"
std::pair<std::string_view, std::string_view> cut(std::string_view text) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return {text, {}};
  return {text.substr(0, space), text.substr(space + 1)};
}

// What `record`, "IDENTITY PATH", was written of, if the lower still has it there.
Result<std::optional<Attr>> still_below(const Layer& lower, std::uint64_t origin, std::string_view record) {
  const auto [identity, where] = cut(record);
  auto path = RelPath::parse(where);
  if (!path || path->is_root()) return std::optional<Attr>();
  auto entry = walk(lower, *path);
  if (!entry) {
    if (entry.error().is(ENOENT) || entry.error().is(ENOTDIR)) return std::optional<Attr>();
    return std::move(entry).error().within("looking for " + path->str() + " in the lower layers");
  }
  const HeldNode held(lower, entry->node);
  if (entry->attr.ino != origin || identity_of(entry->attr) != identity) return std::optional<Attr>();
  return std::optional<Attr>(entry->attr);
}

Error not_ours(const std::string& name) {
  return Error(EINVAL, fmt::format("work directory: acetate.index/{} was not made by us, so the index cannot be trusted; remove "
                                   "acetate.index/ (names of hard links that were not written to part), or mount without index=on",
                                   name));
}

}  // namespace

std::string LinkIndex::entry_name(std::uint64_t origin) { return fmt::format("{:016x}", origin); }

Result<std::unique_ptr<LinkIndex>> LinkIndex::open(WorkDir& work, FdRef owner, const Layer& lower, std::string xattr_prefix) {
  Fd dir = TRY(work.index_dir());
  std::unique_ptr<LinkIndex> index(new LinkIndex(work, std::move(dir), std::move(xattr_prefix)));
  TRY(index->belong_to(owner));
  TRY(index->read(lower));
  return index;
}

// As ovl_verify_origin() does for the kernel's: an index leads to files of one upper directory only.
Result<void> LinkIndex::belong_to(FdRef owner) {
  const struct statx st = TRY(sys::statx(FileAt{owner, ""}, AT_EMPTY_PATH, STATX_INO | STATX_BTIME));
  const std::string ours = fmt::format("{} {}.{:09}", st.stx_ino, st.stx_btime.tv_sec, st.stx_btime.tv_nsec);
  const std::string mark = prefix_ + "acetate.upper";
  auto theirs = sys::get_xattr(dir(), mark.c_str());
  if (theirs && *theirs == ours) return {};
  if (theirs)
    return fail(EINVAL, "work directory: acetate.index/ belongs to another upper directory; name another workdir, or remove "
                        "acetate.index/ if that upper directory was copied or is gone");
  if (!theirs.error().is(ENODATA)) return std::move(theirs).error().within("reading the index in the work directory");
  TRY_WITHIN(sys::set_xattr(dir(), mark.c_str(), ours), "making an index in the work directory");
  return {};
}

Result<void> LinkIndex::read(const Layer& lower) {
  std::vector<std::string> names;
  TRY_WITHIN(sys::read_dir(dir(), [&](const sys::DirEntry& entry) {
    names.emplace_back(entry.name);
    return true;
  }), "reading the index in the work directory");
  // Copies first: a note of lost names says nothing where there is one.
  std::ranges::partition(names, [](const std::string& name) { return !name.ends_with(kLost); });
  for (const std::string& name : names) TRY(read_entry(lower, name));
  return {};
}

Result<void> LinkIndex::read_entry(const Layer& lower, const std::string& name) {
  const auto origin = number_of<std::uint64_t>(name.substr(0, kDigits), 16);
  if (!origin) return not_ours(name);
  const std::string_view rest = std::string_view(name).substr(std::min(kDigits, name.size()));
  if (rest == kLost) return read_lost_names(lower, name, *origin);
  if (!rest.empty() || name != entry_name(*origin)) return not_ours(name);
  return read_copy(lower, name, *origin);
}

Result<void> LinkIndex::read_copy(const Layer& lower, const std::string& name, std::uint64_t origin) {
  const FileAt at{dir(), name.c_str()};
  const struct statx st = TRY(sys::statx(at, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS));
  if (!S_ISREG(st.stx_mode)) return not_ours(name);
  auto record = sys::get_xattr(at, origin_mark().c_str());
  auto links = sys::get_xattr(at, links_mark().c_str());
  for (auto* text : {&record, &links}) {
    if (*text) continue;
    if (text->error().is(ENODATA)) return not_ours(name);
    return std::move(*text).error().within("reading the index in the work directory");
  }
  const auto difference = number_of<std::int64_t>(links->substr(std::min<std::size_t>(links->size(), 1)));
  const char basis = links->empty() ? '\0' : links->front();
  if (!difference || (basis != 'L' && basis != 'U')) return not_ours(name);
  const auto below = TRY(still_below(lower, origin, *record));
  const std::int64_t shown = below ? *difference + (basis == 'L' ? below->nlink : st.stx_nlink) : 0;
  if (shown <= 0) {
    // What the lower has no more, or nobody has a name of; names in the upper stay what they are.
    log::info("index entry {}: {}", name, below ? "no name is left of it" : "the lower layers do not have its file any more");
    return sys::unlink(at);
  }
  Lock lock(mutex_);
  // An older note of lost names says nothing any more.
  entries_[origin] = Entry{.upper_ino = st.stx_ino, .lower_links = below->nlink, .more = shown - st.stx_nlink};
  origins_[st.stx_ino] = origin;
  return {};
}

Result<void> LinkIndex::read_lost_names(const Layer& lower, const std::string& name, std::uint64_t origin) {
  const FileAt at{dir(), name.c_str()};
  auto text = sys::readlink(at);
  if (!text) return text.error().is(EINVAL) ? not_ours(name) : std::move(text).error();
  const auto [count, record] = cut(*text);
  const auto lost = number_of<std::uint32_t>(count);
  if (!lost) return not_ours(name);
  const auto below = TRY(still_below(lower, origin, record));
  if (!below) {
    log::info("index entry {}: the lower layers do not have its file any more", name);
    return sys::unlink(at);
  }
  {
    Lock lock(mutex_);
    const auto [entry, is_new] = entries_.try_emplace(origin);
    if (is_new) {
      entry->second = Entry{.lower_links = below->nlink, .more = -std::int64_t{*lost}, .path = std::string(cut(record).second)};
      return {};
    }
  }
  return sys::unlink(at);  // it would come to life when the copy goes
}

std::optional<std::uint64_t> LinkIndex::copy_of(std::uint64_t origin) const {
  Lock lock(mutex_);
  const auto found = entries_.find(origin);
  if (found == entries_.end() || found->second.upper_ino == 0) return std::nullopt;
  return found->second.upper_ino;
}

std::optional<std::uint64_t> LinkIndex::origin_of(std::uint64_t upper_ino) const {
  Lock lock(mutex_);
  const auto found = origins_.find(upper_ino);
  return found == origins_.end() ? std::nullopt : std::optional(found->second);
}

std::int64_t LinkIndex::more_of_copy(std::uint64_t upper_ino) const {
  Lock lock(mutex_);
  const auto origin = origins_.find(upper_ino);
  return origin == origins_.end() ? 0 : entries_.at(origin->second).more;
}

std::int64_t LinkIndex::more_of_lower(std::uint64_t origin) const {
  Lock lock(mutex_);
  const auto found = entries_.find(origin);
  return found == entries_.end() || found->second.upper_ino != 0 ? 0 : found->second.more;
}

std::optional<std::string> LinkIndex::path_of(std::uint64_t origin) const {
  Lock lock(mutex_);
  const auto found = entries_.find(origin);
  return found == entries_.end() || found->second.path.empty() ? std::nullopt : std::optional(found->second.path);
}

Result<void> LinkIndex::lose_name(std::uint64_t origin, const Attr& below, const std::string& path) {
  std::int64_t more = 0;
  {
    Lock lock(mutex_);
    Entry& entry = entries_[origin];
    entry.lower_links = below.nlink;
    entry.path = path;
    more = --entry.more;
  }
  const std::string name = entry_name(origin).append(kLost);
  const FileAt at{dir(), name.c_str()};
  if (below.nlink + more <= 0) {  // nobody will ask
    auto removed = sys::unlink(at);
    return removed || removed.error().is(ENOENT) ? Result<void>() : std::move(removed);
  }
  const std::string text = fmt::format("{} {} {}", -more, identity_of(below), path);
  if (text.size() > kMostText) return Error(ENAMETOOLONG);
  Temp temp = work_.temp();
  TRY(sys::symlink(text.c_str(), temp.at()));
  TRY(sys::rename(temp.at(), at));
  temp.release();
  return {};
}

Result<void> LinkIndex::describe_copy(FdRef copy, std::uint64_t origin, const Attr& below, const std::string& path) {
  TRY(sys::set_xattr(copy, origin_mark().c_str(), identity_of(below) + " " + path));
  return write_links(copy, 'L', more_of_lower(origin));
}

void LinkIndex::add_copy(std::uint64_t origin, std::uint64_t upper_ino, std::uint32_t lower_links) {
  bool noted = false;
  {
    Lock lock(mutex_);
    Entry& entry = entries_[origin];
    noted = entry.more != 0;
    entry = Entry{.upper_ino = upper_ino, .lower_links = lower_links, .more = lower_links + entry.more - 1};
    origins_[upper_ino] = origin;
  }
  if (!noted) return;
  const std::string name = entry_name(origin).append(kLost);
  // What stays says nothing while there is a copy, and goes with the next mount.
  if (auto removed = sys::unlink(FileAt{dir(), name.c_str()}); !removed && !removed.error().is(ENOENT))
    log::info("left acetate.index/{} in the work directory: {}", name, removed.error().message());
}

Result<void> LinkIndex::keep_shown(std::uint64_t origin, FdRef copy) {
  const struct statx st = TRY(sys::statx(FileAt{copy, ""}, AT_EMPTY_PATH, STATX_NLINK));
  std::int64_t difference = 0;
  {
    Lock lock(mutex_);
    const Entry& entry = entries_.at(origin);
    difference = entry.more + st.stx_nlink - entry.lower_links;
  }
  return write_links(copy, 'L', difference);
}

Result<void> LinkIndex::keep_difference(std::uint64_t origin, FdRef copy) {
  std::int64_t more = 0;
  {
    Lock lock(mutex_);
    more = entries_.at(origin).more;
  }
  return write_links(copy, 'U', more);
}

Result<void> LinkIndex::write_links(FdRef copy, char basis, std::int64_t difference) {
  return sys::set_xattr(copy, links_mark().c_str(), fmt::format("{}{}", basis, difference));
}

void LinkIndex::linked(std::uint64_t origin) {
  Lock lock(mutex_);
  --entries_.at(origin).more;
}

void LinkIndex::forget(std::uint64_t origin) {
  Lock lock(mutex_);
  const auto found = entries_.find(origin);
  if (found == entries_.end()) return;
  origins_.erase(found->second.upper_ino);
  entries_.erase(found);
}

}  // namespace acetate::fs
