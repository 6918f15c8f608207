// A part of a blob from a registry, wherever in it that lies.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "layers/registry/repository.h"

namespace acetate::registry {

// Gets the bytes in order, each piece with its place in the blob; false: that is enough. Its error ends everything.
using RangeSink = std::function<Result<bool>(std::uint64_t offset, std::span<const std::byte> bytes)>;

enum class RangeEnd {
  whole,      // every byte that was asked for was handed over, or enough of them
  no_ranges,  // the registry sends blobs from their beginning only: nothing was handed over
};

// Asks for bytes `from` to `to` (not included) of the blob, once: what breaks off is the caller's to go on with, from where
// the sink last was. A registry that ignores ranges is read only where that is what was asked: from byte 0.
//
// Errors with words: as download_blob() has them; EBADMSG for an answer that is not the part that was asked for.
Result<RangeEnd> download_range(Repository& repository, const image::Descriptor& blob, std::uint64_t from,
                                std::uint64_t to, const RangeSink& sink);

}  // namespace acetate::registry
