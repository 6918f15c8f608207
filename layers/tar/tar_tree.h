// TarTree: the tree that a tarball's entries describe, while they come in, by the rules of OCI layers.
//
//   the last entry of a name wins; a directory over a directory only changes its attributes, anything else over
//     a directory takes away what was in it
//   parents nobody listed are 0755 root:root of 1970; symlinks are never followed, so something below a
//     symlink replaces it with a directory
//   ".wh.NAME" (and a device 0:0) hides NAME of the layers below wherever it stands in the tarball; an entry of
//     that name in the same layer stays, and if it is a directory it is opaque
//   ".wh..wh..opq" makes its directory opaque; other ".wh..wh.*" are AUFS's own and are seen by nobody, but may
//     be what a hard link points at
//   a hard link may come before its target; one to a path the layer has not stays a link_to
//
// Sources: image-spec layer.md "Whiteouts" and "Hard links", research of containers/storage archive/diff.go.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/rel_path.h"
#include "base/result.h"
#include "layers/layer.h"
#include "layers/tar/byte_pool.h"
#include "layers/tar/index_format.h"
#include "layers/tar/tar_limits.h"

namespace acetate {

// One entry of a tarball as it stands there. Bytes are raw.
struct TarEntry {
  std::string path;
  mode_t mode = 0;  // with type; of a hard link only `hardlink` counts
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t size = 0;
  timespec mtime{};
  dev_t rdev = 0;
  std::string symlink = {};
  std::optional<std::string> hardlink = {};
  std::vector<Xattr> xattrs = {};
  std::uint64_t data = 0;  // offset in the plain stream
  bool sparse = false;
  std::vector<lix::Extent> extents = {};
};

class TarTree {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  // A file, directory, … ; several names may have one. Fields as in lix::Inode, without numbers of the file.
  struct Object {
    std::uint64_t size = 0;
    std::uint64_t data = 0;  // offset in the plain stream; sparse: number of the first extent; device: rdev
    std::int64_t mtime = 0;
    std::uint32_t mtime_ns = 0;
    std::uint32_t mode = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t xattrs = 0;  // as lix::Inode::xattrs
    std::uint32_t extent_count = 0;
    std::uint32_t flags = 0;   // lix::InodeFlags
    PoolText text = {};        // target of a symlink or a kLinkTo

    bool is_dir() const noexcept { return (mode & S_IFMT) == S_IFDIR; }
  };
  // An entry of a directory. One whose directory was taken away stays in the list and is reached by nobody.
  struct Name {
    std::uint32_t parent;  // an object
    std::uint32_t object = kNone;
    PoolText text = {};
    bool whiteout = false;  // hides what is below; with an object: as well
    bool hidden = false;    // bookkeeping, seen by nobody
  };

  explicit TarTree(const TarLimits& limits = {});

  // EINVAL, EFBIG, EBADMSG with words that do not name the entry: whoever calls does.
  Result<void> add(const TarEntry& entry);
  // After the last entry: hard links find their targets.
  Result<void> finish();

  static constexpr std::uint32_t kRoot = 0;
  const std::vector<Object>& objects() const noexcept { return objects_; }
  const std::vector<Name>& names() const noexcept { return names_; }
  const std::vector<lix::Extent>& extents() const noexcept { return extents_; }
  const BytePool& strings() const noexcept { return strings_; }
  const BytePool& xattrs() const noexcept { return xattrs_; }
  std::string_view view(PoolText text) const noexcept { return strings_.view(text); }
  std::uint64_t entries() const noexcept { return entries_; }

 private:
  Result<void> check_limits(const TarEntry& entry);
  std::uint64_t memory_used() const noexcept;
  Result<std::uint32_t> parent_of(const RelPath& path);
  std::optional<std::uint32_t> find_name(std::uint32_t parent, std::string_view text) const;
  std::uint32_t make_name(std::uint32_t parent, std::string_view text);
  // The name at a path, whatever it is; nothing where one on the way is no directory.
  std::optional<std::uint32_t> find_path(const RelPath& path) const;
  std::uint32_t make_dir();
  Result<void> put_whiteout(std::uint32_t parent, std::string_view hides);
  Result<void> put_hardlink(std::uint32_t name, const std::string& target);
  Result<void> put(std::uint32_t name, const TarEntry& entry);
  Result<void> fill(Object& object, const TarEntry& entry);
  std::uint32_t store_xattrs(const std::vector<Xattr>& xattrs, Object& object);
  void point(std::uint32_t name, std::uint32_t object);

  TarLimits limits_;
  std::vector<Object> objects_;
  std::vector<Name> names_;
  std::vector<lix::Extent> extents_;
  std::vector<std::uint32_t> pending_;  // objects that are hard links to what was not there when they came
  BytePool strings_;
  BytePool xattrs_{8};
  ProbeTable by_name_;
  std::uint64_t entries_ = 0;
  std::string last_parent_path_;        // tarballs come directory by directory
  std::uint32_t last_parent_ = kRoot;
};

}  // namespace acetate
