#include "layers/tar/toc_trust.h"

#include <atomic>
#include <cerrno>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "base/log.h"
#include "layers/tar/poisonable_layer.h"
#include "layers/tar/tar_layer.h"
#include "layers/tar/toc_layer.h"

namespace acetate {

namespace {

// Of the spans that a comparison decodes none is asked for again, so they are kept from pushing out what readers use.
constexpr std::size_t kComparisonCache = std::size_t{16} << 20;

// The bytes of a blob until somebody has no more use for them: ECANCELED.
class StoppableSource final : public ByteSource {
 public:
  StoppableSource(SourcePtr source, std::shared_ptr<const std::atomic<bool>> stop)
      : source_(std::move(source)), stop_(std::move(stop)) {}

  std::uint64_t size() const override { return source_->size(); }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    if (*stop_) return Error(ECANCELED);
    return source_->pread(into, offset);
  }

 private:
  const SourcePtr source_;
  const std::shared_ptr<const std::atomic<bool>> stop_;
};

Result<void> same_as_tar(const LayerIndexPtr& index, const SourcePtr& packed, const TocPlace& place,
                         const TarLimits& limits) {
  const IndexFacts& facts = index->facts();
  SpanCache cache(kComparisonCache);
  const LayerPtr tar = make_tar_layer(
      index, TRY(seekable_source({.packed = packed, .format = facts.format, .plain_size = facts.plain_bytes,
                                  .checkpoints = LayerIndex::checkpoints(index), .cache = &cache})));
  const TocLayer toc = TRY(toc_layer(packed, place, {.limits = limits, .cache = &cache}));
  return same_tree(*toc.layer, *tar);
}

// Reads the tar behind a layer that is shown by its table.
class Reconciliation {
 public:
  struct What {
    SourcePtr packed;
    Digest blob;
    TocPlace place;
    IndexStore indexes;
    TarScanOptions options;
  };

  Reconciliation(What what, std::shared_ptr<SpillablePoison> poison)
      : what_(std::move(what)), poison_(std::move(poison)), thread_([this] { run(); }) {}
  Reconciliation(const Reconciliation&) = delete;
  Reconciliation& operator=(const Reconciliation&) = delete;
  ~Reconciliation() {
    *stop_ = true;
    thread_.join();
  }

 private:
  void run() {
    const auto same = compare();
    if (same) {
      log::info("layer {}: its table of contents and its tar are one, its index is kept", what_.blob.str());
    } else if (same.error().is(EBADMSG) || same.error().is(EIO) || same.error().is(EFBIG) || same.error().is(EINVAL)) {
      log::error("layer {} is poisoned, and nothing of it is read any more: {}", what_.blob.str(),
                 same.error().message());
      poison_->spill();
    } else if (!same.error().is(ECANCELED)) {
      log::warn("layer {}: its table of contents could not be held against its tar: {}", what_.blob.str(),
                same.error().message());
    }
  }

  Result<void> compare() const {
    const SourcePtr packed = std::make_shared<StoppableSource>(what_.packed, stop_);
    LayerIndexPtr index = what_.indexes.find(what_.blob);
    std::optional<IndexImage> made;
    // What is damaged would look like a lie.
    if (index == nullptr || !index->is_whole()) {
      TarScanOptions options = what_.options;
      options.pass.blob_by = what_.blob.algorithm();
      made = IndexImage::build(TRY(scan_tar(packed, options)));
      if (made->blob() != what_.blob)
        return fail(EBADMSG, "it is {} and not {}", made->blob().str(), what_.blob.str());
      index = TRY(index_in_memory(*made));
    }
    TRY(same_as_tar(index, packed, what_.place, what_.options.limits));
    // Not before: who finds an index asks no more for the table.
    if (made) TRY(what_.indexes.keep(*made));
    return {};
  }

  const What what_;
  const std::shared_ptr<SpillablePoison> poison_;
  const std::shared_ptr<std::atomic<bool>> stop_ = std::make_shared<std::atomic<bool>>(false);
  std::thread thread_;  // last: it uses all the others
};

}  // namespace

Result<TocTrust> parse_toc_trust(std::string_view text) {
  if (text == "promote") return TocTrust::promote;
  if (text == "strict") return TocTrust::strict;
  if (text == "off") return TocTrust::off;
  return fail(EINVAL, "'{}' is none of promote, strict and off", text);
}

Result<TocOpened> open_by_toc(const SourcePtr& packed, const Digest& blob, const Digest& toc, const IndexStore& indexes,
                              const TarScanOptions& options) {
  const auto place = TRY(find_toc(*packed));
  if (!place) return Error(ENOENT);
  TocLayer shown = TRY(toc_layer(packed, *place, {.limits = options.limits, .digest = toc}));
  auto poison = std::make_shared<SpillablePoison>();
  std::shared_ptr<Reconciliation> reading;
  try {
    reading = std::make_shared<Reconciliation>(Reconciliation::What{packed, blob, *place, indexes, options}, poison);
  } catch (const std::system_error& error) {
    return Error(error.code().value());
  }
  return TocOpened{.layer = poisonable_layer(std::move(shown.layer), std::move(poison), std::move(reading)),
                   .bytes = std::move(shown.bytes), .entries = shown.entries, .plain_bytes = shown.plain_bytes};
}

Result<bool> hold_toc_against(const LayerIndexPtr& index, const SourcePtr& packed) {
  const auto place = find_toc(*packed);
  // One that lies elsewhere is nobody's to find.
  if (!place && place.error().is(ENOTSUP)) return false;
  if (!place) return place.error().clone();
  if (!*place) return false;
  auto same = same_as_tar(index, packed, **place, {});
  // What is not understood cannot be held against anything.
  if (!same && same.error().is(ENOTSUP)) return false;
  TRY(std::move(same));
  return true;
}

}  // namespace acetate
