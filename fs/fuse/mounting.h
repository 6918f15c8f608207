// What can go wrong when mounting, in words for whoever has to put it right; and what libfuse says, collected.
#pragma once

#include <cerrno>
#include <string>
#include <vector>

#include "base/result.h"

namespace acetate::fs {

// The absolute name of a directory, symlinks resolved, so that it can still be unmounted from elsewhere; "/dev/fd/N"
// as it is. ENOENT, ENOTDIR with words, ENOTCONN with words where a mount without a daemon is in the way.
Result<std::string> resolve_mountpoint(const std::string& path);

// Whether /dev/fuse can be opened; otherwise what to do about it.
Result<void> check_device();

// Why libfuse could not mount, as far as can be told afterwards: ": …", or nothing.
std::string mount_advice(const std::vector<std::string>& mount_options);

// Whether an error of reading requests says that the mount is gone, as ENODEV does: replies were left that nobody read (ECONNRESET, of a socket), or a
// request was just being handed over (ECONNABORTED: one that nobody waits for, as RELEASE; fs/fuse/dev.c, fuse_dev_do_read()).
constexpr bool means_unmounted(int code) { return code == ENODEV || code == ECONNRESET || code == ECONNABORTED; }

// Sends libfuse's messages to our log, and keeps those that are warnings or worse while it lives.
class LibfuseMessages {
 public:
  LibfuseMessages();
  LibfuseMessages(const LibfuseMessages&) = delete;
  LibfuseMessages& operator=(const LibfuseMessages&) = delete;
  ~LibfuseMessages();
  std::string text() const;  // in one line
};

}  // namespace acetate::fs
