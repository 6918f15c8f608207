// Two trees held against each other, one of them told by a table of contents.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include "layers/tar/tar_scan.h"
#include "layers/tar/toc_layer.h"
#include "layers/tar/toc_names.h"

namespace acetate {

namespace {

class Comparison {
 public:
  Comparison(const Layer& toc, const Layer& tar) : toc_(toc), tar_(tar), a_(kPiece), b_(kPiece) {}

  Result<void> roots() {
    TRY(attributes(toc_.root(), TRY(toc_.attr(toc_.root())), tar_.root(), TRY(tar_.attr(tar_.root())), "/"));
    return dirs(toc_.root(), tar_.root(), "");
  }

 private:
  Result<void> dirs(Node toc, Node tar, const std::string& path) {
    const auto in_toc = TRY(names(toc_, toc)), in_tar = TRY(names(tar_, tar));
    for (const auto& [name, marker] : in_toc)
      if (!in_tar.contains(name)) return differs(path + name, "is in the table only");
    for (const auto& [name, marker] : in_tar) {
      const std::string here = path + name;
      const auto found = in_toc.find(name);
      if (found == in_toc.end()) {
        if (path.empty() && is_toc_name(name)) continue;
        return differs(here, "is in the tar only");
      }
      if (found->second != marker) return differs(here, "is a whiteout or a link to below in one of them only");
      if (marker == Marker::whiteout) continue;
      TRY(entries(TRY(toc_.lookup(toc, name)), TRY(tar_.lookup(tar, name)), here));
    }
    return {};
  }

  static constexpr std::size_t kPiece = std::size_t{1} << 20;

  static Error differs(const std::string& path, std::string_view how) {
    return fail(EBADMSG, "its table of contents is not what its tar is: '{}' {}", printable(path), how);
  }

  static Result<std::map<std::string, Marker>> names(const Layer& layer, Node dir) {
    std::map<std::string, Marker> all;
    TRY(layer.list(dir, [&](const DirEntry& entry) {
      all.emplace(entry.name, entry.marker);
      return true;
    }));
    return all;
  }

  Result<void> entries(const Entry& toc, const Entry& tar, const std::string& path) {
    if (toc.marker != tar.marker) return differs(path, "hides in one of them what is below");
    if (tar.marker == Marker::link_to) {
      if (TRY(toc_.link_target(toc.node)) != TRY(tar_.link_target(tar.node))) return differs(path, "links elsewhere");
      return {};
    }
    TRY(attributes(toc.node, toc.attr, tar.node, tar.attr, path));
    if (toc.attr.is_dir()) return dirs(toc.node, tar.node, path + "/");
    return toc.attr.is_regular() ? bytes(toc.node, tar.node, path) : Result<void>();
  }

  Result<void> attributes(Node toc, const Attr& a, Node tar, const Attr& b, const std::string& path) {
    if (a.mode != b.mode) return differs(path, fmt::format("has mode {:o} and {:o}", a.mode, b.mode));
    if (a.is_implied != b.is_implied) return differs(path, "has an entry of its own in one of them only");
    if (a.uid != b.uid || a.gid != b.gid) return differs(path, "has another owner");
    if (a.size != b.size) return differs(path, fmt::format("has {} and {} bytes", a.size, b.size));
    if (a.rdev != b.rdev) return differs(path, "is another device");
    if (a.mtime.tv_sec != b.mtime.tv_sec) return differs(path, "has another time");
    if (a.is_symlink() && TRY(toc_.readlink(toc)) != TRY(tar_.readlink(tar)))
      return differs(path, "points elsewhere");
    const auto xattrs = TRY(toc_.xattrs(toc)), others = TRY(tar_.xattrs(tar));
    if (!std::ranges::equal(xattrs, others,
                            [](const Xattr& x, const Xattr& y) { return x.name == y.name && x.value == y.value; }))
      return differs(path, "has other extended attributes");
    return {};
  }

  Result<void> bytes(Node toc, Node tar, const std::string& path) {
    const auto one = TRY(toc_.open(toc)), other = TRY(tar_.open(tar));
    for (std::uint64_t at = 0;; at += kPiece) {
      auto got = one->pread(a_, at);
      // A chunk that is not what the table says is a difference too.
      if (!got && got.error().is(EIO)) return differs(path, got.error().message());
      const std::size_t count = TRY(std::move(got));
      if (TRY(other->pread(b_, at)) != count || std::memcmp(a_.data(), b_.data(), count) != 0)
        return differs(path, "has other bytes");
      if (count < kPiece) return {};
    }
  }

  const Layer& toc_;
  const Layer& tar_;
  std::vector<std::byte> a_, b_;
};

}  // namespace

Result<void> same_tree(const Layer& toc, const Layer& tar) {
  return Comparison(toc, tar).roots();
}

}  // namespace acetate
