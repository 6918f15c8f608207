// One blob to a registry, by the cheapest way it has.
#pragma once

#include <string>
#include <vector>

#include "layers/registry/blob_download.h"
#include "layers/registry/repository.h"

namespace acetate::registry {

enum class Sent {
  nothing,  // it was there
  mounted,  // from another repository of the registry
  bytes,
};

struct UploadOptions {
  std::vector<std::string> mount_from = {};  // repositories of the same registry that may have it
  std::uint64_t chunk = 8 << 20;             // least size of a piece, where pieces are needed
  Progress progress = {};
};

// Asks whether the blob is there, then for a mount, then sends it: whole in one PUT, and where that does not
// go through (413, a connection that breaks) in chunks, each gone on with from where the registry says it is.
// `content` gives the blob's bytes, again from the beginning if need be. An upload that fails is cancelled,
// as far as the registry lets us.
Result<Sent> upload_blob(Repository& repository, const image::Descriptor& blob, const Body& content,
                         const UploadOptions& options);

// Whether the registry has the blob now without being sent it: it had, or has mounted it from one of those repositories of its own.
Result<bool> have_without_sending(Repository& repository, const image::Descriptor& blob, const std::vector<std::string>& mount_from);

}  // namespace acetate::registry
