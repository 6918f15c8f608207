// What we, and those who wait for an answer of ours, may do in the first user namespace.
//
// CAP_FSETID: who changes a file's bytes and leaves its suid and sgid bits. With HANDLE_KILLPRIV_V2 the kernel leaves the dropping of
// those bits to us, and says so in flags of WRITE and OPEN that libfuse does not show. What they mean can be found out: the kernel sets
// them for whoever has no CAP_FSETID in the first user namespace (fs/fuse/file.c, capable()).
#pragma once

#include <linux/capability.h>
#include <sys/types.h>

#include <string>

namespace acetate::fs {

// Of a thread, by /proc; 0 is one that we cannot see. What cannot be found out is no.
bool has(pid_t thread, int capability);
// Of ourselves.
bool have(int capability);
// The rule: what /proc/PID/status says, and where /proc/PID/ns/user leads.
bool tells(const std::string& status, const std::string& namespace_link, int capability);

}  // namespace acetate::fs
