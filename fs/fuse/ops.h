// The callback table: each operation decodes, asks the Overlay and replies; no rule of the overlay is here.
#pragma once

#include <chrono>

#include "fs/fuse/reply.h"

namespace acetate::fs {

// What the connection is asked to do, at INIT.
void negotiate(Served& context, fuse_conn_info* connection);

// The table for a mount with these properties: operations that are not wanted are left out, and libfuse then
// answers ENOSYS, which the kernel remembers.
fuse_lowlevel_ops operations(const Served& context);

// The parts of the table, a file each.
void add_name_operations(fuse_lowlevel_ops& table);       // ops_names.cc
void add_attr_operations(fuse_lowlevel_ops& table, const Served& context);  // ops_attr.cc
void add_ioctl_operation(fuse_lowlevel_ops& table);                          // ops_ioctl.cc
void add_file_operations(fuse_lowlevel_ops& table, const Served& context);  // ops_file.cc
void add_directory_operations(fuse_lowlevel_ops& table, const Served& context);  // ops_dir.cc

// An operation as the table has it: let in by the gate, counted and timed.
template <Operation kWhat, auto kCall>
struct Counted;
template <Operation kWhat, class... Arguments, void (*kCall)(fuse_req_t, Arguments...)>
struct Counted<kWhat, kCall> {
  static void call(fuse_req_t req, Arguments... arguments) {
    Served& context = served(req);  // the request is gone once it is answered
    const Gate::Pass pass(context.gate);
    const auto began = std::chrono::steady_clock::now();
    kCall(req, arguments...);
    context.metrics.record(kWhat, std::chrono::steady_clock::now() - began);
  }
};
template <Operation kWhat, auto kCall>
inline constexpr auto counted = &Counted<kWhat, kCall>::call;

inline Ino ino_of(fuse_ino_t ino) noexcept { return Ino{ino}; }
Caller caller_of(fuse_req_t req) noexcept;

// The handle in a fuse_file_info, both ways.
inline Handle handle_of(const fuse_file_info* info) noexcept { return Handle{info->fh}; }

}  // namespace acetate::fs
