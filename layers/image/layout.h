// An OCI image layout on disk (image-spec image-layout.md), written: blobs by digest, references last.
//
// skopeo, umoci and podman read it as it is.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/digest.h"
#include "base/fd.h"
#include "base/result.h"
#include "layers/image/descriptor.h"

namespace acetate::image {

// A blob being written: bytes go to a temporary file and are hashed on the way. Dropped without commit() it
// leaves nothing.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  virtual Result<void> write(std::span<const std::byte> bytes) = 0;
  // Syncs and publishes under its digest with one rename. Success says the bytes are there, not that this
  // call put them.
  virtual Result<Descriptor> commit(std::string media_type) = 0;
};

// Many processes may use one layout: blobs are only ever added whole, index.json is replaced under flock.
class Layout {
 public:
  // Makes the directory a layout when it is empty or absent; EEXIST with words when it holds something else.
  static Result<std::unique_ptr<Layout>> open(const std::string& dir);
  virtual ~Layout() = default;
  virtual Result<std::unique_ptr<BlobWriter>> new_blob() = 0;
  virtual Result<Descriptor> put_blob(std::string_view bytes, std::string media_type) = 0;
  virtual Result<bool> has_blob(const Digest& digest) const = 0;
  virtual std::string blob_path(const Digest& digest) const = 0;
  // Points `tag` (org.opencontainers.image.ref.name) at a manifest whose blobs are all there.
  virtual Result<void> set_reference(const std::string& tag, const Descriptor& manifest) = 0;
};

// Packs a layout directory into an oci-archive tarball (uncompressed), deterministic. A manifest.json beside index.json
// goes along: with one, `docker load` reads the archive too.
Result<void> write_oci_archive(const std::string& layout_dir, FdRef out);

}  // namespace acetate::image
