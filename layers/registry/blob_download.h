// One blob from a registry, whatever happens to the connection on the way.
#pragma once

#include <cstdint>
#include <functional>

#include "layers/image/layout.h"
#include "layers/registry/repository.h"

namespace acetate::registry {

// Told how many bytes are there now; false ends the transfer with ECANCELED. Called often, from any thread.
using Progress = std::function<bool(std::uint64_t done)>;

// Feeds the blob to `into`, from where that is, which verifies size and digest (its commit() is left to the caller). A connection
// that breaks, or a body that ends early, is gone on with by Range from where it stopped; a server that
// answers with the whole blob is read over to there. Every mebibyte of progress gives as many new tries as
// the first byte had. Errors with words: ENOENT, EACCES; EBADMSG when there are more bytes than the manifest
// says, or an answer's Content-Range is not what was asked for.
Result<void> download_blob(Repository& repository, const image::Descriptor& blob, image::BlobWriter& into,
                           const Progress& progress = {});

// Whether it is there, without fetching it.
Result<bool> has_blob(Repository& repository, const image::Descriptor& blob);

struct ContentRange {
  std::uint64_t first, last;
  std::optional<std::uint64_t> total;
};
// "bytes 5-9/10", "bytes 5-9/*" (RFC 9110 §14.4); nothing for anything else. Pure.
std::optional<ContentRange> parse_content_range(std::string_view text);

}  // namespace acetate::registry
