// Telling whoever started us that the mount answers: sd_notify(3)'s protocol, which systemd and fs/mount.h speak.
#pragma once

#include "base/result.h"

namespace acetate::fs {

// Sends READY=1 to $NOTIFY_SOCKET (a path, or '@' and an abstract name) when it is set; nothing otherwise.
Result<void> notify_ready();

}  // namespace acetate::fs
