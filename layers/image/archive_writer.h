// A tarball of an image's files, written member by member; the same bytes for the same members.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "layers/layer_spec.h"

namespace acetate::image {

// `out` may be a pipe. What does not fit there is its own error (ENOSPC, EPIPE).
class ArchiveWriter {
 public:
  explicit ArchiveWriter(FdRef out) : out_(out) {}
  Result<void> dir(std::string_view name);  // ends with '/'
  Result<void> file(std::string_view name, std::string_view text);
  // The bytes a spec names. EIO with words when there are fewer than it says; EBADMSG with words when it has a digest and they are not what
  // that says: the archive is not to be used then.
  Result<void> file(std::string_view name, const LayerSpec& bytes);
  // Once, last.
  Result<void> finish();

 private:
  Result<void> header(std::string_view name, std::uint64_t size);
  Result<void> pad(std::uint64_t size);
  FdRef out_;
};

}  // namespace acetate::image
