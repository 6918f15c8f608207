#include "layers/tar/open_lazy_tar.h"

#include <cerrno>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "layers/stream/fetcher_client.h"
#include "layers/stream/lazy_source.h"
#include "layers/tar/foreign_index.h"
#include "layers/tar/index_bytes.h"
#include "layers/tar/poisonable_layer.h"
#include "layers/tar/source_digest.h"
#include "layers/tar/tar_layer.h"
#include "layers/tar/tar_scan.h"
#include "layers/tar/toc_layer.h"

namespace acetate {

namespace {

// A blob that turned out not to be what its layer is shown by. Looked at every so often only, since that is a system call.
class Condemned final : public Poison {
 public:
  explicit Condemned(std::shared_ptr<const LazySource> source) : source_(std::move(source)) {}

  bool is_spilled() const noexcept override {
    if (is_known_.load(std::memory_order_relaxed)) return true;
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    auto next = next_look_.load(std::memory_order_relaxed);
    if (now < next || !next_look_.compare_exchange_strong(next, now + kBetweenLooks)) return false;
    if (source_->blob().is_condemned()) is_known_ = true;
    return is_known_;
  }

 private:
  static constexpr std::int64_t kBetweenLooks = std::chrono::steady_clock::duration(std::chrono::milliseconds(100)).count();
  const std::shared_ptr<const LazySource> source_;
  mutable std::atomic<std::int64_t> next_look_ = 0;
  mutable std::atomic<bool> is_known_ = false;
};

class Opening {
 public:
  Opening(const LazyTar& tar, const IndexStore& indexes, const MirrorStore* mirrors)
      : tar_(tar), indexes_(indexes), mirrors_(mirrors) {}

  Result<OpenedTar> open() {
    if (auto index = indexes_.find(tar_.blob)) {
      TRY(take_source(ShownBy::our_index));
      return by_own_index(std::move(index));
    }
    TRY(take_source(ShownBy::word_of_others));
    if (auto opened = by_toc()) return *std::move(opened);
    if (auto opened = TRY(by_foreign_index())) return *std::move(opened);
    TRY(take_source(ShownBy::our_index));
    return layer_of(TRY(index_on_the_way()));
  }

 private:
  Result<void> take_source(ShownBy shown_by) {
    auto fetcher = tar_.fetcher != nullptr ? tar_.fetcher : FetcherClient::of(tar_.dir);
    source_ = std::make_shared<LazySource>(TRY(PartialBlob::open(tar_.dir, tar_.blob)), std::move(fetcher), shown_by);
    return {};
  }

  Result<OpenedTar> by_own_index(LayerIndexPtr index) const {
    if (index->facts().packed_bytes != source_->size())
      return fail(EBADMSG, "it has {} bytes, but {} has {}", source_->size(), tar_.blob.str(), index->facts().packed_bytes);
    if (index->facts().format != Format::plain) {
      rest_when_it_is_quiet();
    } else {
      // Nothing else verifies its bytes.
      TRY(source_->complete(true));
      if (const Digest found = TRY(digest_of(*source_, tar_.blob.algorithm())); found != tar_.blob)
        return fail(EBADMSG, "it is {} and not {}", found.str(), tar_.blob.str());
    }
    auto opened = TRY(layer_of(std::move(index)));
    opened.index_was_cached = true;
    return opened;
  }

  // Nothing: it is to be had otherwise.
  std::optional<OpenedTar> by_toc() const {
    if (!tar_.toc || tar_.toc_trust != TocTrust::promote) return std::nullopt;
    auto shown = table();
    if (!shown) {
      log::warn("layer {} is not shown by its table of contents: {}", tar_.blob.str(), shown.error().message());
      return std::nullopt;
    }
    rest_when_it_is_quiet();
    OpenedTar opened{.layer = if_not_condemned(std::move(shown->layer)), .bytes = std::move(shown->bytes), .facts = {},
                     .is_lazy = true, .is_by_toc = true};
    opened.facts.blob = tar_.blob;
    opened.facts.packed_bytes = source_->size();
    opened.facts.plain_bytes = shown->plain_bytes;
    opened.facts.entries = shown->entries;
    return opened;
  }

  Result<TocLayer> table() const {
    const auto place = TRY(find_toc(*source_));
    if (!place) return fail(ENOENT, "it has none");
    return toc_layer(source_, *place, {.digest = tar_.toc, .programs_whole_at_open = true});
  }

  Result<std::optional<OpenedTar>> by_foreign_index() const {
    const auto nothing = std::optional<OpenedTar>();
    if (!tar_.index) return nothing;
    auto index = find_foreign_index(tar_.dir, tar_.blob, *tar_.index);
    if (index == nullptr || index->facts().packed_bytes != source_->size() || index->facts().format == Format::plain)
      return nothing;
    rest_when_it_is_quiet();
    OpenedTar opened = TRY(layer_of(std::move(index), Keep::nothing));
    opened.layer = if_not_condemned(std::move(opened.layer));
    opened.index_is_foreign = true;
    return std::optional(std::move(opened));
  }

  // Reads it as it comes.
  Result<LayerIndexPtr> index_on_the_way() const {
    TRY(source_->complete(true));
    // Of two processes that want it one makes it.
    const FileLock lock = indexes_.lock(tar_.blob);
    if (auto index = indexes_.find(tar_.blob)) return index;
    TarScan scan = TRY(scan_tar(source_, {.pass = {.blob_by = tar_.blob.algorithm()}}));
    if (scan.pass.blob != tar_.blob) return fail(EBADMSG, "it is {} and not {}", scan.pass.blob.str(), tar_.blob.str());
    const auto image = IndexImage::build(std::move(scan));
    if (tar_.toc && tar_.toc_trust == TocTrust::strict) TRY(hold_toc_against(TRY(index_in_memory(image)), source_));
    return indexes_.keep(image);
  }

  // In nobody's way. What cannot be asked for now is asked for when it is read.
  void rest_when_it_is_quiet() const {
    if (auto asked = source_->complete(false); !asked) log::info("{}", asked.error().message());
  }

  enum class Keep { what_is_decoded, nothing };
  Result<OpenedTar> layer_of(LayerIndexPtr index, Keep keep = Keep::what_is_decoded) const {
    OpenedTar opened{.is_lazy = true};
    opened.facts = index->facts();
    opened.bytes = TRY(plain_bytes(index, source_, keep == Keep::nothing ? nullptr : mirrors_));
    opened.layer = make_tar_layer(std::move(index), opened.bytes, {.programs_whole_at_open = true});
    return opened;
  }

  LayerPtr if_not_condemned(LayerPtr layer) const {
    return poisonable_layer(std::move(layer), std::make_shared<Condemned>(source_), nullptr);
  }

  const LazyTar& tar_;
  const IndexStore& indexes_;
  const MirrorStore* mirrors_;
  std::shared_ptr<const LazySource> source_;
};

}  // namespace

Result<OpenedTar> open_lazy_tar(const LazyTar& tar, const IndexStore& indexes, const MirrorStore* mirrors) {
  return Opening(tar, indexes, mirrors).open();
}

}  // namespace acetate
