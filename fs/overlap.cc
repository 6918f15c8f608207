#include "fs/overlap.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "base/sys/file.h"

namespace acetate::fs {

namespace {

// A directory by what it is, not by its name: symlinks and ".." are walked by the kernel.
struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  auto operator<=>(const Identity&) const = default;
};

struct Place {
  const char* role;
  std::string path;
  std::vector<Identity> chain;  // itself first, then its parents up to the root
};

Identity identity(const struct stat& st) { return {st.st_dev, st.st_ino}; }

Result<Place> place(const char* role, const std::string& path) {
  Place out{role, path, {}};
  Fd dir = TRY_WITHIN(sys::open(path, O_PATH | O_DIRECTORY), "{} {}", role, path);
  auto self = sys::stat(dir.ref());
  if (!self && self.error().is(ENOTCONN))
    return fail(ENOTCONN, "{} {}: a mount whose daemon is gone is in the way (fusermount3 -u {})", role, path, path);
  out.chain.push_back(identity(TRY_WITHIN(std::move(self), "{} {}", role, path)));
  for (;;) {
    auto parent = sys::open(FileAt{dir.ref(), ".."}, O_PATH | O_DIRECTORY);
    if (!parent) break;  // a parent nobody may search: what is above it cannot be told
    const Identity above = identity(TRY(sys::stat(parent->ref())));
    if (above == out.chain.back()) break;
    out.chain.push_back(above);
    dir = *std::move(parent);
  }
  return out;
}

bool inside(const Place& inner, const Place& outer) {
  for (std::size_t i = 1; i < inner.chain.size(); ++i)
    if (inner.chain[i] == outer.chain[0]) return true;
  return false;
}

Result<void> refuse_inside(const Place& inner, const Place& outer) {
  if (!inside(inner, outer)) return {};
  return fail(EINVAL, "{} {} lies inside {} {}: they must be beside one another", inner.role, inner.path, outer.role,
              outer.path);
}

Result<void> refuse_same(const Place& a, const Place& b) {
  if (a.chain[0] != b.chain[0]) return {};
  return fail(EINVAL, "{} {} and {} {} are the same directory", a.role, a.path, b.role, b.path);
}

}  // namespace

Result<void> check_places(const Places& places) {
  std::vector<Place> lowers;
  for (const std::string& path : places.lowers) lowers.push_back(TRY(place("lower directory", path)));
  std::vector<Place> written;
  if (places.upper) written.push_back(TRY(place("upper directory", *places.upper)));
  if (places.work) written.push_back(TRY(place("work directory", *places.work)));

  for (const Place& ours : written) {
    for (const Place& lower : lowers) {
      TRY(refuse_same(ours, lower));
      TRY(refuse_inside(ours, lower));
      TRY(refuse_inside(lower, ours));
    }
  }
  if (written.size() == 2) {
    TRY(refuse_same(written[0], written[1]));
    TRY(refuse_inside(written[0], written[1]));
    TRY(refuse_inside(written[1], written[0]));
  }
  if (places.mountpoint.starts_with("/dev/fd/")) return {};
  const Place mountpoint = TRY(place("mountpoint", places.mountpoint));
  for (const Place& lower : lowers) TRY(refuse_inside(mountpoint, lower));
  for (const Place& ours : written) TRY(refuse_inside(mountpoint, ours));
  return {};
}

}  // namespace acetate::fs
