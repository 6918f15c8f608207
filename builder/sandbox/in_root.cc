#include "builder/sandbox/in_root.h"

#include <algorithm>
#include <deque>

#include "base/sys/open.h"

namespace acetate::sandbox {

namespace {

constexpr int kMostSymlinks = 40;  // as the kernel's MAXSYMLINKS

// "/a//./b" -> a, b; ".." is kept: what it means is known only once the links before it are.
std::deque<std::string> split(std::string_view path) {
  std::deque<std::string> parts;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (!part.empty() && part != ".") parts.emplace_back(part);
  }
  return parts;
}

// What shows at a path: in the root, or in what lies over that place of it. Follows nothing.
Result<Fd> open_shown(FdRef root, const RelPath& path, std::span<const Covering> coverings) {
  constexpr int kFlags = O_PATH | O_NOFOLLOW;
  for (auto covering = coverings.rbegin(); covering != coverings.rend(); ++covering) {
    if (!covering->target.contains(path)) continue;
    if (!covering->source) return path == covering->target ? sys::open_beneath(root, path, kFlags) : Result<Fd>(Error(ENOENT));
    RelPath below;
    const auto names = path.components();
    for (std::size_t i = covering->target.components().size(); i < names.size(); ++i) below = below.child(names[i]);
    return below.is_root() ? sys::dup(covering->source) : sys::open_beneath(covering->source, below, kFlags);
  }
  return sys::open_beneath(root, path, kFlags);
}

// Something will be mounted below it, and whoever mounts that makes it.
bool leads_to_covering(const RelPath& path, std::span<const Covering> coverings) {
  return std::ranges::any_of(coverings, [&](const Covering& covering) { return path.contains(covering.target); });
}

}  // namespace

Result<struct stat> stat_in_root(FdRef root, const RelPath& path) {
  const Fd fd = TRY(sys::open_beneath(root, path, O_PATH | O_NOFOLLOW));
  return sys::stat(fd.ref());
}

Result<InRoot> resolve_in_root(FdRef root, std::string_view path, std::span<const Covering> coverings) {
  if (path.find('\0') != std::string_view::npos) return Error(EINVAL);
  std::deque<std::string> left = split(path);
  InRoot at;
  int links = 0;
  while (!left.empty()) {
    const std::string part = std::move(left.front());
    left.pop_front();
    if (part == "..") {
      at.path = at.path.parent();
      if (at.missing > 0) --at.missing;
      continue;
    }
    const RelPath next = at.path.child(part);
    if (at.missing > 0) {
      at.path = next;
      ++at.missing;
      continue;
    }
    auto opened = open_shown(root, next, coverings);
    if (!opened && opened.error().is(ENOENT)) {
      at.path = next;
      at.missing = leads_to_covering(next, coverings) ? 0 : 1;
      continue;
    }
    const Fd fd = TRY(std::move(opened));
    const struct stat st = TRY(sys::stat(fd.ref()));
    if (S_ISLNK(st.st_mode)) {
      if (++links > kMostSymlinks) return Error(ELOOP);
      const std::string target = TRY(sys::readlink(fd.ref()));
      if (target.starts_with('/')) at.path = RelPath();
      const std::deque<std::string> ahead = split(target);
      left.insert(left.begin(), ahead.begin(), ahead.end());
      continue;
    }
    if (!S_ISDIR(st.st_mode) && !left.empty()) return Error(ENOTDIR);
    at.path = next;
  }
  return at;
}

}  // namespace acetate::sandbox
