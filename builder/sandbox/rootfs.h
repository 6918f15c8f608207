// Rootfs: layers mounted as a root file system that can be written to, for one run or one build step.
//
// Made inside the holder. What is written lands in upper(), which stays readable after unmount() and is
// removed with the object, together with files of other users and directories of mode 0 in it. Our daemon keeps it, or
// only shows the layers, and the kernel's overlay above it keeps what is written: the same upper either way. Where no FUSE file system
// can be mounted (a container that was given no /dev/fuse) the layers are unpacked, and the kernel's overlay lies above the files.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/sandbox/holder.h"
#include "builder/sandbox/kernel_overlay.h"
#include "builder/sandbox/memory_fs.h"
#include "builder/sandbox/scratch.h"
#include "fs/mount.h"

namespace acetate::sandbox {

// Writes the merged tree of the layers into a directory (builder/unpack.h).
using Unpack = std::function<Result<void>(const std::vector<std::string>& lowers, const std::string& dir, bool owners)>;

struct RootfsOptions {
  std::string scratch_base;                    // where the scratch directory is made; one file system's worth of space
  IdMode ids = IdMode::range;                  // single: every file is shown as root's, whoever's it is
  bool read_only = false;                      // no upper at all
  UpperKind upper_kind = UpperKind::own;       // who keeps the upper; `kernel` is ENOTSUP with words where that does not work
  bool durable = false;                        // without it the upper is `volatile`: fsync is not passed on
  std::optional<std::string> keep_upper = {};  // use and keep this directory as the upper
  bool log_accesses = false;                   // what of the layers is looked at is noted; see Rootfs::accesses()
  std::vector<std::string> mount_options = {}; // further -o options of the daemon (traces), as they are
  Unpack unpack = {};                          // how to go on without FUSE; without it that is an error
  std::function<void()> meanwhile = {};        // what else there is to do while the daemon starts; not called where none does
};

class Rootfs {
 public:
  // `lowers` are lowerdir elements, top first (image::Image::lowers()); none at all means an empty root.
  static Result<Rootfs> make(std::vector<std::string> lowers, const RootfsOptions& options);
  Rootfs(Rootfs&&) noexcept = default;
  Rootfs& operator=(Rootfs&&) noexcept;
  ~Rootfs();

  const std::string& path() const noexcept { return path_; }    // the mounted root
  const std::string& upper() const noexcept { return upper_; }  // empty when read-only
  // Whether the kernel's overlay keeps the upper, now or until it was unmounted. Of one that is kept a file beside it says so from then on.
  bool kernel_wrote() const noexcept { return kernel_wrote_; }
  // Whether a kept upper is one that the kernel's overlay has written to.
  static bool kernel_wrote(const std::string& kept_upper);
  // Whether the mount takes notes of owners (fs/owner_note.h), which are in the upper then: with one id, where our daemon keeps it.
  bool notes_owners() const noexcept { return notes_owners_ && !overlay_; }
  // A directory beside the mount, not in it, for whoever runs something here (launch's scratch_dir).
  const std::string& scratch() const noexcept { return run_; }
  // What of the layers was looked at, once unmounted, as the daemon wrote it; nothing where that is not known in full.
  Result<std::optional<std::string>> accesses() const;
  // After it the upper holds everything. EBUSY with words while in use; idempotent.
  Result<void> unmount();
  // The same, and no more than that: what only shows the layers, below the kernel's overlay, stays until we are gone. EIO with words where its daemon has
  // ended: what used the layers since saw errors, and what it wrote is not to be believed.
  Result<void> complete_upper();

 private:
  Rootfs(Scratch scratch, std::string path, std::string upper, std::string run)
      : scratch_(std::move(scratch)),
        path_(std::move(path)),
        upper_(std::move(upper)),
        run_(std::move(run)) {}
  Scratch scratch_;
  std::string path_, upper_, run_;
  bool notes_owners_ = false;
  bool kernel_wrote_ = false;
  Result<void> put_above(KernelOverlay overlay, const RootfsOptions& options);
  Result<void> mount(fs::MountRequest request, const RootfsOptions& options);
  // `why`: nothing can be mounted with FUSE.
  Result<void> mount_unpacked(const fs::MountRequest& request, const RootfsOptions& options, const Error& why);
  // Where the kernel's overlay may keep what is written: where it was to be, or in memory.
  Result<KernelOverlay::Places> place_for_overlay(const fs::MountRequest& request, bool in_memory_too);
  // Why the kernel's overlay does not work, and then nothing is mounted; nothing where it does.
  Result<std::optional<std::string>> mount_below_kernels(const fs::MountRequest& request, const RootfsOptions& options);

  std::optional<MemoryFs> memory_;        // with the upper in it, where no other file system takes one
  std::optional<fs::Mount> mount_;
  std::optional<KernelOverlay> overlay_;  // above them, and gone before them
};

}  // namespace acetate::sandbox
