// What pull and push have in common: several blobs at once, and telling somebody how far they are.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "layers/image/descriptor.h"
#include "layers/registry/blob_download.h"

namespace acetate::registry {

enum class TransferState {
  moving,   // `done` bytes of it are there
  done,     // it is there, every byte sent
  present,  // it was there before, nothing was sent
  mounted,  // the registry had it in another repository
};

// Told of every blob, often, from any thread, never from two at once.
using TransferEvents =
    std::function<void(const image::Descriptor& blob, TransferState state, std::uint64_t done)>;

inline constexpr int kTransfersAtOnce = 6;  // as skopeo and podman

// Does `one` for each blob, `at_once` of them at a time, the biggest first so that none is left over at the
// end. The first error is returned and ends the others: the Progress that each is given says so. What was
// asked of `one` is the state the blob ends in.
using TransferOne =
    std::function<Result<TransferState>(const image::Descriptor& blob, const Progress& progress)>;
Result<void> transfer_all(std::vector<image::Descriptor> blobs, int at_once, const TransferEvents& events,
                          const TransferOne& one);

}  // namespace acetate::registry
