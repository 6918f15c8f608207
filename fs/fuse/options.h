// The command line of fuse-overlay: fuse-overlayfs's, read by a pure function.
//
// Source: fuse-overlayfs 1.16 main.c (fuse_opts, fuse_opt_proc) and the callers' argv in docs of containers/storage,
// buildah, containerd's snapshotter and apptainer. Deviations are listed in fuse-overlay(1).
#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "fs/owners.h"
#include "layers/dir_layer.h"
#include "layers/override_stat.h"

namespace acetate::fs {

struct Options {
  std::string name;  // what we were called by: prefix of messages, default fsname and subtype
  bool help = false;
  bool version = false;
  bool verbose = false;
  bool foreground = false;
  bool debug = false;  // implies foreground

  std::string mountpoint;
  std::vector<std::string> lowers;  // top first, unescaped
  std::optional<std::string> upper;
  std::optional<std::string> work;

  double timeout = 1e9;  // seconds the kernel may keep entries, absences and attributes
  bool durable = true;   // fsync=1 and not volatile
  bool leaves_mark = false;  // volatile
  bool writeback = false;
  bool xattrs = true;
  bool always_asks_xattrs = false;  // noxattrs=0 was said
  bool xattrs_if_any = false;  // noxattrs=auto: none where nothing below has any and nothing can be written
  bool acl = true;
  bool read_only = false;
  Owners owners;  // squash_to_*, uidmapping, gidmapping
  OverrideMode permissions = OverrideMode::none;  // xattr_permissions
  bool note_owners = false;
  bool redirect_dir = false;
  FollowMarks follow = FollowMarks::privileged;  // redirect_dir too
  bool index = false;
  bool static_nlink = false;
  bool no_open = false;
  bool passthrough = true;  // where the kernel lets us
  bool narrow_inos = false;  // ino32_t
  std::optional<std::string> access_log;  // where to write what was looked at below (layers/access_log.h)
  std::string fsname;
  std::vector<std::string> mount_options;  // for mount(2) or fusermount3, as libfuse takes them
  std::vector<std::string> ignored;        // options nobody knows: reported, otherwise harmless
};

// `privileged`: the effective uid is 0 (of whatever user namespace), which changes the defaults. EINVAL with words
// for malformed values; ENOTSUP with words for options that would change the result and are not there.
Result<Options> parse_options(std::span<const std::string> argv, bool privileged);

std::string usage(const std::string& name);

}  // namespace acetate::fs
