// An OCI image layout on disk (image-spec image-layout.md), written: blobs by digest, references last.
//
// skopeo, umoci and podman read it as it is.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

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
  // EBADMSG with words as soon as there are more bytes than were announced. After any other failure (a full disk) all but restart() is EIO with words.
  virtual Result<void> write(std::span<const std::byte> bytes) = 0;
  // How much was written well, which is where a transfer that broke off goes on.
  virtual std::uint64_t size() const = 0;
  // Forgets what was written: somebody who was asked to go on sends everything again.
  virtual Result<void> restart() = 0;
  // Which digest it is published under: else by that of what was announced, and SHA-256 where nothing was. Another than before
  // has what was written read again.
  virtual Result<void> hash_by(Digest::Algorithm algorithm) = 0;
  // Syncs and publishes under its digest with one rename. Success says the bytes are there, not that this
  // call put them. EBADMSG with words when they are not those that were announced, EIO when the file does not hold what was written: then nothing is there.
  virtual Result<Descriptor> commit(std::string media_type) = 0;
};

// Many processes may use one layout: blobs are only ever added whole, index.json is replaced under flock.
class Layout {
 public:
  // Makes the directory a layout when it is empty or absent; EEXIST with words when it holds something else.
  static Result<std::unique_ptr<Layout>> open(const std::string& dir);
  virtual ~Layout() = default;
  // `expected`: what the bytes must turn out to be, where somebody else has said so.
  virtual Result<std::unique_ptr<BlobWriter>> new_blob(const std::optional<Descriptor>& expected) = 0;
  Result<std::unique_ptr<BlobWriter>> new_blob() { return new_blob(std::nullopt); }
  virtual Result<Descriptor> put_blob(std::string_view bytes, std::string media_type, Digest::Algorithm algorithm) = 0;
  Result<Descriptor> put_blob(std::string_view bytes, std::string media_type) {
    return put_blob(bytes, std::move(media_type), Digest::Algorithm::sha256);
  }
  virtual Result<bool> has_blob(const Digest& digest) const = 0;
  virtual std::string blob_path(const Digest& digest) const = 0;
  // Points `tag` (org.opencontainers.image.ref.name) at a manifest or index whose blobs are all there, as far as
  // walk_image() asks for them.
  virtual Result<void> set_reference(const std::string& tag, const Descriptor& manifest) = 0;
};

// Packs a layout directory into an oci-archive tarball (uncompressed), deterministic. For docker's form see save.h.
Result<void> write_oci_archive(const std::string& layout_dir, FdRef out);

}  // namespace acetate::image
