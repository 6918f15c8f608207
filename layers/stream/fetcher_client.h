// FetcherClient: asks the fetcher process, and starts it where there is none (any more).
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/mutex.h"
#include "layers/stream/blob_fetcher.h"
#include "layers/stream/fetch_protocol.h"

namespace acetate {

struct FetcherOptions {
  // Without a byte for so long, whoever reads hears of it. $ACETATE_FETCH_SECONDS, 30.
  std::chrono::milliseconds patience{30000};
  // After that, others who ask for the same blob within this while hear it at once.
  std::chrono::milliseconds pause_after_failure{1000};
  // What nobody reads is fetched too, when it is quiet. $ACETATE_FETCH_REST=0: it is not.
  bool rest = true;
};

class FetcherClient final : public BlobFetcher {
 public:
  // For the partial blobs of `dir`: the same for all who ask while somebody has it.
  static std::shared_ptr<FetcherClient> of(const std::string& dir);
  explicit FetcherClient(std::string dir, FetcherOptions options = {}) : dir_(std::move(dir)), options_(options) {}

  Result<void> fetch(const PartialBlob& blob, std::uint64_t first_block, std::uint64_t end_block) override;
  Result<std::vector<std::byte>> lend(const PartialBlob& blob, std::uint64_t block) override;
  Result<void> complete(const PartialBlob& blob, bool soon) override;
  // Returns when all of the blob is verified and in the store; `waiting` is called every so often meanwhile, and its
  // false ends the waiting with ECANCELED.
  Result<void> seal(const PartialBlob& blob, const std::function<bool()>& waiting);

 private:
  using Clock = std::chrono::steady_clock;
  // Called when nothing came for a while; its error ends the waiting.
  using Waiting = std::function<Result<void>()>;

  // `request` with the blob and our patience; that of somebody who waits for bytes.
  Result<std::string> ask_for_bytes(const PartialBlob& blob, fetch::Request request);
  Result<fetch::Reply> ask(const fetch::Request& request, std::chrono::milliseconds every, const Waiting& waiting);
  Result<Fd> connect();
  Result<fetch::Reply> ask_over(FdRef socket, const fetch::Request& request, std::chrono::milliseconds every,
                                const Waiting& waiting);

  const std::string dir_;
  const FetcherOptions options_;
  Mutex mutex_;
  std::vector<Fd> idle_ GUARDED_BY(mutex_);  // connections nobody waits on
  std::map<Digest, Clock::time_point> failed_at_ GUARDED_BY(mutex_);  // when nobody answered, by blob
};

}  // namespace acetate
