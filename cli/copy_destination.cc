#include "cli/copy_destination.h"

#include <utility>

#include "layers/image/media_type.h"
#include "layers/image/reference.h"
#include "layers/registry/blob_upload.h"

namespace acetate::cli {

namespace {

class FilesAndElsewhere final : public image::ImageFiles {
 public:
  FilesAndElsewhere(const image::ImageFiles& files, std::map<std::string, std::uint64_t> elsewhere)
      : files_(files), elsewhere_(std::move(elsewhere)) {}

  Result<LayerSpec> locate(const std::string& name) const override {
    auto here = files_.locate(name);
    if (here || !here.error().is(ENOENT)) return here;
    const auto there = elsewhere_.find(name);
    if (there == elsewhere_.end()) return here;
    return LayerSpec{.path = where() + "/" + name, .length = there->second};
  }
  const std::string& where() const override { return files_.where(); }

 private:
  const image::ImageFiles& files_;
  const std::map<std::string, std::uint64_t> elsewhere_;
};

}  // namespace

RemoteFlags destination_flags(const CopyOptions& options) {
  RemoteFlags flags = options.destination;
  flags.retry = options.source.retry;
  flags.retry_delay = options.source.retry_delay;
  return flags;
}

Result<std::unique_ptr<CopyDestination>> CopyDestination::open(const image::ImagePlace& from, const image::ImagePlace& to,
                                                               const CopyOptions& options) {
  const auto source = TRY(image::parse_reference(from.where)), name = TRY(image::parse_reference(to.where));
  auto remotes = TRY(open_remotes(destination_flags(options)));
  auto repository = TRY(remotes->to_push(name));
  std::vector<std::string> mount_from;
  if (source.registry == name.registry && source.repository != name.repository) mount_from = {source.repository};
  return std::unique_ptr<CopyDestination>(
      new CopyDestination(std::move(remotes), std::move(repository), std::move(mount_from)));
}

Result<bool> CopyDestination::has(const image::Descriptor& blob) {
  if (image::is_config_type(blob.media_type)) return false;
  if (!TRY(registry::have_without_sending(repository_, blob, mount_from_))) return false;
  const Lock lock(mutex_);
  there_[image::blob_name(blob.digest)] = blob.size;
  return true;
}

std::unique_ptr<image::ImageFiles> CopyDestination::together_with(const image::ImageFiles& files) {
  const Lock lock(mutex_);
  return std::make_unique<FilesAndElsewhere>(files, there_);
}

}  // namespace acetate::cli
