// The registry that an image is copied to, asked while the image is fetched: a layer that is there, or that it mounts from the
// repository the image comes from, need not come by here.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "cli/image_commands.h"
#include "cli/remote_options.h"
#include "layers/image/image_files.h"
#include "layers/image/image_place.h"
#include "layers/registry/remotes.h"

namespace acetate::cli {

// How `copy` reaches where it copies to.
RemoteFlags destination_flags(const CopyOptions& options);

// Thread-safe.
class CopyDestination {
 public:
  static Result<std::unique_ptr<CopyDestination>> open(const image::ImagePlace& from, const image::ImagePlace& to,
                                                       const CopyOptions& options);

  // Whether it has the blob now. Of layers alone: a config is small, and is looked at on the way.
  Result<bool> has(const image::Descriptor& blob);
  // `files`, which outlives it, and what has() was true of, as if that lay there too: whoever sends the image finds it there,
  // and reads nothing.
  std::unique_ptr<image::ImageFiles> together_with(const image::ImageFiles& files);

 private:
  CopyDestination(std::unique_ptr<registry::Remotes> remotes, registry::Repository repository, std::vector<std::string> mount_from)
      : remotes_(std::move(remotes)), repository_(std::move(repository)), mount_from_(std::move(mount_from)) {}

  const std::unique_ptr<registry::Remotes> remotes_;
  registry::Repository repository_;
  const std::vector<std::string> mount_from_;
  Mutex mutex_;
  std::map<std::string, std::uint64_t> there_ GUARDED_BY(mutex_);  // sizes, by the blobs' names in a layout
};

}  // namespace acetate::cli
