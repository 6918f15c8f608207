// What an inode of an index says, as a layer tells it.
#pragma once

#include <sys/stat.h>

#include "layers/layer.h"
#include "layers/tar/index_format.h"

namespace acetate {

inline Attr tar_attr(const lix::Inode& inode, std::uint64_t ino) noexcept {
  Attr attr;
  attr.mode = inode.mode;
  attr.uid = inode.uid;
  attr.gid = inode.gid;
  attr.nlink = inode.nlink;
  attr.size = inode.size;
  if (S_ISREG(inode.mode))
    attr.blocks = (inode.flags & lix::kSparse) != 0 ? inode.blocks : inode.size / 512 + (inode.size % 512 != 0 ? 1 : 0);
  if (S_ISCHR(inode.mode) || S_ISBLK(inode.mode)) attr.rdev = inode.data;
  attr.ino = ino;
  attr.is_implied = (inode.flags & lix::kImplied) != 0;
  attr.mtime = {inode.mtime, static_cast<long>(inode.mtime_ns)};
  // A tarball knows one time of a file.
  attr.atime = attr.ctime = attr.mtime;
  return attr;
}

// Nodes are numbers of inodes. ESTALE: never one of ours.
inline Result<std::uint32_t> inode_number(Node node) {
  const auto number = static_cast<std::uint64_t>(node);
  if (number > 0xffffffffU) return Error(ESTALE);
  return static_cast<std::uint32_t>(number);
}

}  // namespace acetate
