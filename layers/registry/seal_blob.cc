#include "layers/registry/seal_blob.h"

#include "base/log.h"
#include "layers/stream/fetcher_client.h"
#include "layers/stream/partial_blob.h"

namespace acetate::registry {

Result<TransferState> seal_blob(const std::string& dir, const image::Descriptor& blob, const Progress& progress) {
  const auto partial = PartialBlob::open(dir, blob.digest);
  if (!partial && partial.error().is(ENOENT)) return TransferState::present;
  if (!partial) return partial.error().clone();
  const auto tell = [&] {
    const auto there = (*partial)->present_bytes();
    return !there || progress(*there);
  };
  auto sealed = FetcherClient::of(dir)->seal(**partial, tell);
  if (!sealed && PartialBlob::open(dir, blob.digest)) return std::move(sealed).error().within("layer " + blob.digest.str());
  if (!sealed && sealed.error().is(EBADMSG)) log::warn("{}", sealed.error().message());
  return TransferState::done;
}

}  // namespace acetate::registry
