// Images written as one tarball: oci-archive, or docker-archive in the form docker has written since version 25.
#pragma once

#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "layers/image/image_copy.h"

namespace acetate::image {

// An image and where its files are (borrowed).
struct SavedImage {
  const ImageFiles* files;
  NamedImage image;
};

// An OCI layout as a tarball. Blobs that images share are in it once; their digests are verified on the way, and a damaged one is EBADMSG with
// words: what was written by then is no archive.
Result<void> write_oci_archive(const std::vector<SavedImage>& images, FdRef out);

// The same tarball with manifest.json and repositories in it, so that whoever reads docker's old form (docker, podman,
// skopeo, containerd) finds it there, and digests stay what they are. Of an index, manifest.json tells of the image
// for `platform`. ENOTSUP with words for artifacts, which docker's form has no place for.
Result<void> write_docker_archive(const std::vector<SavedImage>& images, const Platform& platform, FdRef out);

}  // namespace acetate::image
