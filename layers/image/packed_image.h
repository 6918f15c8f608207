// An image as it is sent away: with gzip layers where they lie unpacked here.
//
// What is built or loaded lies plain in our store, because a mount reads it so without decoding. Registries and networks want it
// small, and docker and podman compress when they push, too. Its configuration, and so its id, stays what it was.
#pragma once

#include <memory>
#include <string>

#include "layers/image/image_files.h"
#include "layers/image/layout.h"

namespace acetate::image {

class PackedImage : public ImageFiles {
 public:
  // What is new of it is written into `dir`, a new directory that outlives it, as `files` does. Null when there is nothing to pack; an
  // index with attestations is left as it is, because they speak of its images by digest. Errors with words.
  static Result<std::unique_ptr<PackedImage>> make(const ImageFiles& files, const Descriptor& target, const std::string& dir);

  const Descriptor& target() const { return target_; }
  Result<LayerSpec> locate(const std::string& name) const override;
  const std::string& where() const override { return files_.where(); }

 private:
  PackedImage(const ImageFiles& files, std::unique_ptr<ImageFiles> made, Descriptor target)
      : files_(files), made_(std::move(made)), target_(std::move(target)) {}
  const ImageFiles& files_;
  std::unique_ptr<ImageFiles> made_;
  Descriptor target_;
};

}  // namespace acetate::image
