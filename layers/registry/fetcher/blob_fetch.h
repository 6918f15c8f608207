// BlobFetch: one blob on its way here. Parts of it that somebody waits for come by range requests of their own; all of it
// comes by one stream, in order, when it is wanted whole. No byte is asked for twice: whoever wants what is under way waits
// for it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "layers/registry/fetcher/blob_places.h"
#include "layers/registry/fetcher/spare_blocks.h"
#include "layers/stream/partial_blob.h"

namespace acetate::registry {

// What a fetch tells of itself, and asks, while it is at work. From any thread.
struct FetchEvents {
  std::function<void()> demand_begins = [] {};  // somebody waits for bytes that are asked for now …
  std::function<void()> demand_ends = [] {};    // … and has them, or not
  // The registry sends blobs from their beginning only, so all of this one is to come now.
  std::function<void()> needs_whole = [] {};
};

// Thread-safe.
class BlobFetch {
 public:
  BlobFetch(std::unique_ptr<PartialBlob> blob, std::unique_ptr<BlobPlaces> places, SpareBlocks& spare, FetchEvents events);

  // Returns when blocks `first` to `end` (not included) are there. Network errors are tried again until nothing came for
  // `patience`. Errors with words. ENOSPC: what could not be put on the disk is to be had from lend(), block by block, of many of
  // them only the first at once.
  Result<void> fetch(std::uint64_t first, std::uint64_t end, std::chrono::milliseconds patience);
  // The bytes of one block, on the disk or not. Errors as fetch(), without that one.
  Result<std::vector<std::byte>> lend(std::uint64_t block, std::chrono::milliseconds patience);
  // The same for nobody who waits, and so none of the events; `goes_on` is asked every so often, and may take its time before more
  // is read. ECANCELED when it says false.
  Result<void> fetch_ahead(std::uint64_t first, std::uint64_t end, std::chrono::milliseconds patience, const std::function<bool()>& goes_on);

  // Fetches all that is missing, in order, and verifies the digest of the whole: what does not verify is fetched once
  // more, from another place where there is one, and is EBADMSG then. ECANCELED when `goes_on` says false; ENOSPC (or what
  // else the disk says that takes nothing) when there is no room for it, after which it may be tried again.
  Result<void> complete(const std::function<bool()>& goes_on);

  // complete() will be called at once: what it brings first is not asked for by others meanwhile.
  void expect_whole();

  const PartialBlob& blob() const { return *blob_; }

 private:
  // A stretch of blocks that an answer is bringing.
  struct Stream {
    std::uint64_t next, end;
    std::uint64_t spared = 0;  // of its blocks those that the disk did not take
  };
  struct Run {
    std::uint64_t first, end;
  };
  using Held = std::unique_lock<std::mutex>;
  enum class Verdict { right, wrong, torn };

  // What a block that the disk does not take is good for.
  enum class Spare { kept, refused };

  Result<std::optional<Run>> first_missing(std::uint64_t first, std::uint64_t end, bool for_reader) const;
  Result<void> put_spare(std::uint64_t first, std::uint64_t end);
  Result<void> all_on_disk(std::uint64_t first, std::uint64_t end) const;
  const Stream* who_brings(std::uint64_t block) const;
  Run cut_at_others(Run run) const;
  Result<void> bring(std::uint64_t first, std::uint64_t end, std::chrono::milliseconds patience, bool is_waited_for,
                     const std::function<bool()>& goes_on);
  Result<void> stream(Held& lock, Run run, Spare spare, const std::function<bool()>& goes_on);
  Result<bool> comes_with_whole(std::uint64_t block) const;
  Result<void> wait_for_whole(Held& lock, std::uint64_t first, std::chrono::milliseconds patience);
  Result<void> keep(std::uint64_t block, std::span<const std::byte> bytes, Spare spare, Stream& by);
  Result<void> bring_all(Held& lock, const std::function<bool()>& goes_on);
  Result<Verdict> verify(const std::function<bool()>& goes_on) const;

  const std::unique_ptr<PartialBlob> blob_;
  const std::unique_ptr<BlobPlaces> places_;
  SpareBlocks& spare_;
  const FetchEvents events_;
  std::mutex mutex_;
  std::condition_variable changed_;  // a block came, or a stream ended
  std::vector<const Stream*> streams_;
  std::atomic<std::uint64_t> bytes_came_ = 0;
  bool is_sealed_ = false;  // all of it is here and being verified, or was: nothing is written any more
  bool no_ranges_ = false;
  bool whole_expected_ = false;
  std::uint64_t whole_failures_ = 0;  // how often complete() ended with an error, …
  std::optional<Error> whole_failure_;  // … and the last one
};

}  // namespace acetate::registry
