// What lies at a path: an image in one of its forms, a root filesystem, or nothing of ours.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace acetate::image {

enum class Kind {
  oci_layout,      // a directory with oci-layout
  oci_archive,     // a tarball with oci-layout; also what docker save writes since version 25
  docker_archive,  // a tarball with manifest.json
  tarball,         // any other, compressed or not: a root filesystem
  directory,       // any other: a root filesystem
};

// Follows symlinks. ENOENT bare. EINVAL with words for what can be none of them, and for an image archive
// that is compressed as a whole (layers are read where they lie).
Result<Kind> recognise(const std::string& path);

// Whether a member of this name belongs into a root filesystem and not into an image archive, so that big
// tarballs need not be read to the end to be told apart. Pure.
bool belongs_to_rootfs(std::string_view name);
// Whether an image archive may begin with it. Pure.
bool begins_image_archive(std::string_view name);

}  // namespace acetate::image
