// containers/image's "dir:" form: one image as a directory of manifest.json, version and blobs named by their hex.
//
// Facts: containers-transports(5); the manifests below an index are HEX.manifest.json.
#pragma once

#include <memory>
#include <string>

#include "layers/image/image_files.h"

namespace acetate::image {

// The files by the names of a layout ("blobs/sha256/HEX"). `path` is absolute. ENOENT with words when it is none.
Result<std::unique_ptr<ImageFiles>> dir_image_files(const std::string& path);
// The manifest or index it is.
Result<Descriptor> dir_image_target(const std::string& path);

// Writes an image so, into a directory that is absent, empty or such an image; what was there is replaced, manifest
// last. EEXIST with words for another directory.
Result<void> write_dir_image(const ImageFiles& from, const Descriptor& target, const std::string& path);

}  // namespace acetate::image
