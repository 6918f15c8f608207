// The files an image is made of, wherever they lie: in a directory, or in an archive that nobody unpacks.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "layers/image/descriptor.h"
#include "layers/image/layout.h"
#include "layers/layer_spec.h"

namespace acetate::image {

// Immutable while it is read; thread-safe.
class ImageFiles {
 public:
  virtual ~ImageFiles() = default;
  // Where a file's bytes are: path (absolute), offset, length; no digest. ENOENT bare when there is none.
  virtual Result<LayerSpec> locate(const std::string& name) const = 0;
  // The path of the directory or archive, for people.
  virtual const std::string& where() const = 0;
};

// `path` is absolute.
Result<std::unique_ptr<ImageFiles>> directory_files(const std::string& path);
// EINVAL with words for what is no uncompressed tarball; for a compressed image archive the words say what to
// do.
Result<std::unique_ptr<ImageFiles>> archive_files(const std::string& path);

// A file's whole text. ENOENT bare; EFBIG with words past kMaxDocument.
Result<std::string> read_document(const ImageFiles& files, const std::string& name);

// A blob that a descriptor points at, with size and digest verified: ENOENT, EBADMSG with words.
Result<std::string> read_blob(const ImageFiles& files, const Descriptor& descriptor);

// Where a layer's blob lies, its size verified. Its digest is left to whoever reads the bytes (they are
// indexed once, and verified then).
Result<LayerSpec> locate_blob(const ImageFiles& files, const Descriptor& descriptor);

// Feeds the bytes a spec names to `out`, in order. EIO with words when there are fewer than it says.
Result<void> copy_bytes(const LayerSpec& spec, BlobWriter& out);

// "blobs/sha256/<hex>", "blobs/sha512/<hex>"
std::string blob_name(const Digest& digest);
// The one whose blob_name() this is.
std::optional<Digest> digest_of_blob_name(std::string_view name);

// The first bytes of what a spec names, as compression_of() tells them; "" when they are plain.
Result<std::string> compression_at(const LayerSpec& spec);

}  // namespace acetate::image
