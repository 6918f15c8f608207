#include "base/sys/spread.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

#include "base/sys/call.h"

namespace acetate::sys {

Result<void> spread_directories(FdRef dir) {
  int flags = 0;
  TRY(done(Call::ioctl, [&] { return ::ioctl(dir.fd, FS_IOC_GETFLAGS, &flags); }));
  if ((flags & FS_TOPDIR_FL) != 0) return {};
  flags |= FS_TOPDIR_FL;
  return done(Call::ioctl, [&] { return ::ioctl(dir.fd, FS_IOC_SETFLAGS, &flags); });
}

}  // namespace acetate::sys
