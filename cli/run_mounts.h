// -v, --mount, --tmpfs, --device and --tz: what of ours a container sees, and where.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "builder/sandbox/spec.h"
#include "cli/named_volume.h"
#include "cli/run_options.h"

namespace acetate::cli {

// What these options come to. Images are still to be mounted, and named volumes to be made.
struct RunMounts {
  std::vector<sandbox::MountPoint> mounts;
  std::vector<sandbox::Device> devices;
  struct ImageMount {
    std::string image, target;
    bool writable = false;
  };
  std::vector<ImageMount> images;
  // "O": what is written over a directory of ours goes with the container.
  struct Overlaid {
    std::string source, target;
    bool operator==(const Overlaid&) const = default;
  };
  std::vector<Overlaid> overlaid;
  std::vector<std::string> given;        // "U": sources that are the container's user's before it starts
  std::vector<NamedVolume> volumes;      // directories to make
  std::vector<std::string> unnamed;      // targets of volumes without a source: directories of the writable layer
  std::vector<std::string> cdi_devices;  // "vendor.com/class=name"
};

struct MountContext {
  std::string working_dir;  // what "./x" is relative to; empty where that is gone
  std::string volumes_dir;  // where named volumes are
};

Result<RunMounts> describe_mounts(const RunOptions& options, const MountContext& context);

// The volumes that an image declares, as --image-volume has it (bind, tmpfs, ignore). What was asked for at such a place stays.
void add_image_volumes(const std::vector<std::string>& targets, std::string_view how, RunMounts& into);

// What lies below another target is mounted after it, in whatever order they were given; else the order stays.
void order_mounts(std::vector<sandbox::MountPoint>& mounts);

// "SOURCE:TARGET[:ro|rw|O|U|z|Z|rslave|…]", or "TARGET" alone. A source is an absolute path, begins with '.', or is a volume's name.
Result<void> add_volume(const std::string& text, const MountContext& context, RunMounts& into);
// "type=bind,source=/a,target=/b,ro".
Result<void> add_mount(const std::string& text, const MountContext& context, RunMounts& into);

}  // namespace acetate::cli
