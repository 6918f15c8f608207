#include "base/sys/local_fs.h"

#include <algorithm>

#include "base/sys/file.h"

namespace acetate::sys {

namespace {

// Of statfs(2). Some are not in linux/magic.h.
constexpr std::uint32_t kLocal[] = {
    0xef53,      // ext2, ext3, ext4
    0x58465342,  // XFS
    0x9123683e,  // Btrfs
    0x01021994,  // tmpfs
    0x858458f6,  // ramfs
    0x794c7630,  // overlayfs: a file that is written lies in its upper, which is nobody else's
    0xf2f52010,  // F2FS
    0x2fc12fc1,  // ZFS
    0xca451a4e,  // bcachefs
    0x3153464a,  // JFS
    0x52654973,  // ReiserFS
    0x3434,      // NILFS
};

}  // namespace

Result<bool> is_on_local_fs(FdRef fd) {
  const auto type = static_cast<std::uint32_t>(TRY(statfs(fd)).f_type);
  return std::ranges::find(kLocal, type) != std::end(kLocal);
}

}  // namespace acetate::sys
