// Session: one FUSE connection that serves one Overlay. The only class that knows libfuse's session functions.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "fs/fuse/metrics.h"
#include "fs/fuse/xattr_absence.h"
#include "fs/overlay.h"

namespace acetate::fs {

struct SessionOptions {
  std::string name = "fuse-overlay";  // fsname and subtype
  std::string fsname;                 // `name` when empty
  double timeout = 1e9;
  bool durable = true;
  bool xattrs = true;
  // Set: nothing has any, or that may be found out. Of a read-only overlay.
  std::shared_ptr<XattrAbsence> xattr_absence = {};
  bool acl = true;
  bool writeback = false;
  bool debug = false;
  // What the daemon writes drops suid by itself: it has no CAP_FSETID in the first user namespace.
  bool upper_drops_suid = false;
  // Nothing must be done when a file is opened: OPEN can be left out, and of a read-only overlay OPENDIR too.
  bool stateless = false;
  // Files of the upper are passed through (fs/fuse/passthrough.h), whose directories keep no access times. Only for real root. Not with
  // writeback, exact or stateless.
  bool passthrough = false;
  // Whether the page that a file ends in is given to the kernel before it asks (fs/fuse/first_pages.h); unset: as its version allows.
  std::optional<bool> gives_ends = {};
  // Every look at a file is a request of its own, so that what is looked at can be noted: no listing brings attributes along.
  bool exact = false;
  // The mount may be shown with other owners (mount_setattr(2)). Not without default_permissions, and not with allow_root, which
  // libfuse decides by whom requests say they are from.
  bool idmapped = false;
  bool signals = false;  // SIGTERM, SIGINT, SIGHUP end serve(), SIGUSR1 calls `report`; see block_signals()
  FdRef lifeline = {};   // serve() ends too when the other end of this closes
  unsigned threads = 0;  // 0: as many as pays on this machine
  std::vector<std::string> mount_options;
};

// Serves from any number of threads inside serve(); the object itself belongs to one thread. The Overlay must
// outlive it.
class Session {
 public:
  // Mounts. What stops it comes with words and the way out: no /dev/fuse, no fusermount3, user_allow_other.
  static Result<Session> mount(Overlay& overlay, const std::string& mountpoint, const SessionOptions& options);
  // The same session on a connected SOCK_SEQPACKET socket on whose other end somebody plays the kernel. Needs no
  // mount, no /dev/fuse and no privilege.
  static Result<Session> on(Overlay& overlay, Fd connection, const SessionOptions& options);

  // Until unmounted, until the connection is aborted or closed, or until a signal says so (the mount is then taken away
  // by the destructor). The number of that signal, else 0. Everything written is synced before it returns, and what
  // could not be is an error with words.
  Result<int> serve(const std::function<void()>& report = [] {});

  // While serve() runs, from another thread: another lower tree (Overlay::refresh), and the kernel is told of it.
  void refresh(LayerPtr fresh, std::string_view within);

  const Metrics& metrics() const noexcept;
  // Files that were passed through, each time one was opened that nobody had open.
  std::uint64_t passed_files() const noexcept;
  // Bytes that the kernel was given before it asked for them (fs/fuse/first_pages.h).
  std::uint64_t given_bytes() const noexcept;
  // Of the mount; nothing where somebody else made it, and on a socket.
  std::optional<dev_t> device() const noexcept;
  // Files are not opened, because that was asked for and the kernel knows of it. Settled once it has asked anything.
  bool leaves_open_out() const noexcept;
  // The layers will change: that nothing has extended attributes is not concluded any more. True where the kernel was told so already, for good.
  bool settle_xattrs() noexcept;

  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();  // unmounts

 private:
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace acetate::fs
