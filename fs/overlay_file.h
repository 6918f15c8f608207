// What opening and changing files share. Private to fs/.
#pragma once

#include "base/fd.h"
#include "base/result.h"

namespace acetate::fs {

class Permissions;

// The flags an upper file is opened with for a handle that was asked for with `flags`.
int upper_flags(int flags, bool durable);

// What writing, truncating and changing the owner do to a program that runs as somebody else: suid goes, sgid
// goes where the group may execute (without that it means mandatory locking). FATTR_KILL_SUIDGID and the like.
mode_t without_suidgid(mode_t mode) noexcept;
Result<void> drop_suidgid(FdRef file, const Permissions& permissions);

}  // namespace acetate::fs
