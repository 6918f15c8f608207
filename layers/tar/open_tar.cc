#include "layers/tar/open_tar.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/sys/file.h"
#include "base/timespec.h"
#include "layers/tar/index_bytes.h"
#include "layers/tar/source_digest.h"
#include "layers/tar/tar_layer.h"

namespace acetate {

namespace {

class Opening {
 public:
  Opening(const IndexStore& indexes, const IdentityCache& identities, const TarScanOptions& options,
          const MirrorStore* mirrors)
      : indexes_(indexes), identities_(identities), options_(options), mirrors_(mirrors) {}

  Result<OpenedTar> open(TarFile tar);

 private:
  Result<void> identify();
  Result<LayerIndexPtr> find_index() const;
  Result<void> prove_given() const;
  Result<LayerIndexPtr> make_index();
  std::optional<OpenedTar> by_toc() const;
  Result<OpenedTar> layer_of(LayerIndexPtr index, bool was_cached) const;

  const IndexStore& indexes_;
  const IdentityCache& identities_;
  const TarScanOptions& options_;
  const MirrorStore* mirrors_;
  SourcePtr packed_;
  Fd file_;
  FilePart part_{};
  std::optional<Digest> toc_;
  TocTrust toc_trust_ = TocTrust::promote;
  std::optional<Digest> given_;
  std::optional<Digest> digest_;  // given, or known for certain
};

bool same_file_state(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && same_time(a.st_mtim, b.st_mtim) && same_time(a.st_ctim, b.st_ctim);
}

Result<OpenedTar> Opening::open(TarFile tar) {
  part_.st = TRY(sys::stat(tar.file.ref()));
  part_.offset = tar.offset;
  const auto size = static_cast<std::uint64_t>(part_.st.st_size);
  if (tar.offset > size || tar.length.value_or(0) > size - tar.offset)
    return fail(EINVAL, "the file has {} bytes, fewer than its offset {} and length say", size, tar.offset);
  part_.length = tar.length.value_or(size - tar.offset);
  file_ = TRY(sys::dup(tar.file.ref()));
  packed_ = TRY(file_source(std::move(tar.file), part_.offset, part_.length));
  digest_ = given_ = tar.digest;
  toc_ = tar.toc;
  toc_trust_ = tar.toc_trust;

  TRY(identify());
  if (auto index = TRY(find_index())) return layer_of(std::move(index), true);
  if (auto opened = by_toc()) return *std::move(opened);
  // From here on one process at a time; whoever had to wait finds what the other has made.
  const FileLock lock = digest_ ? indexes_.lock(*digest_) : identities_.lock(part_);
  TRY(identify());
  if (auto index = TRY(find_index())) return layer_of(std::move(index), true);
  return layer_of(TRY(make_index()), false);
}

Result<void> Opening::identify() {
  if (digest_) return {};
  const auto known = identities_.find(part_);
  if (!known) return {};
  if (!known->certain) {
    if (TRY(digest_of(*packed_)) != known->digest) return {};
    identities_.remember(part_, known->digest);
  }
  digest_ = known->digest;
  return {};
}

// Null where there is none.
Result<LayerIndexPtr> Opening::find_index() const {
  if (!digest_) return LayerIndexPtr();
  LayerIndexPtr index = indexes_.find(*digest_);
  if (index && index->facts().packed_bytes != packed_->size())
    return fail(EBADMSG, "it has {} bytes, but {} has {}", packed_->size(), digest_->str(),
                index->facts().packed_bytes);
  if (index && given_ && index->facts().format == Format::plain) TRY(prove_given());
  return index;
}

// Nothing verifies the bytes of a plain tar later.
Result<void> Opening::prove_given() const {
  const auto known = identities_.find(part_, given_->algorithm());
  if (known && known->certain && known->digest == *given_) return {};
  const Digest found = TRY(digest_of(*packed_, given_->algorithm()));
  if (found != *given_) return fail(EBADMSG, "it is {} and not {}", found.str(), given_->str());
  identities_.remember(part_, found);
  return {};
}

// Nothing: it is to be read by its tar, as any other.
std::optional<OpenedTar> Opening::by_toc() const {
  if (!toc_ || !given_ || toc_trust_ != TocTrust::promote) return std::nullopt;
  auto shown = open_by_toc(packed_, *given_, *toc_, indexes_, options_);
  if (!shown) {
    log::warn("layer {} is not shown by its table of contents but read whole: {}", given_->str(), shown.error().message());
    return std::nullopt;
  }
  OpenedTar opened{.layer = std::move(shown->layer), .bytes = std::move(shown->bytes), .facts = {}, .is_by_toc = true};
  opened.facts.blob = *given_;
  opened.facts.packed_bytes = packed_->size();
  opened.facts.plain_bytes = shown->plain_bytes;
  opened.facts.entries = shown->entries;
  return opened;
}

Result<LayerIndexPtr> Opening::make_index() {
  TarScanOptions options = options_;
  if (given_) options.pass.blob_by = given_->algorithm();
  TarScan scan = TRY(scan_tar(packed_, options));
  const Digest found = scan.pass.blob;
  if (given_ && found != *given_) return fail(EBADMSG, "it is {} and not {}", found.str(), given_->str());
  if (!same_file_state(part_.st, TRY(sys::stat(file_.ref()))))
    return fail(ESTALE, "it changed while it was read; try again when nobody writes to it");
  const IndexImage image = IndexImage::build(std::move(scan));
  if (toc_ && toc_trust_ == TocTrust::strict) TRY(hold_toc_against(TRY(index_in_memory(image)), packed_));
  LayerIndexPtr index = TRY(indexes_.keep(image));
  if (!given_ || index->facts().format == Format::plain) identities_.remember(part_, found);
  return index;
}

Result<OpenedTar> Opening::layer_of(LayerIndexPtr index, bool was_cached) const {
  DecodedSourcePtr plain = TRY(plain_bytes(index, packed_, mirrors_));
  OpenedTar opened{.layer = nullptr, .bytes = nullptr, .facts = index->facts(), .index_was_cached = was_cached};
  opened.bytes = plain;
  opened.layer = make_tar_layer(std::move(index), std::move(plain));
  return opened;
}

}  // namespace

Result<OpenedTar> open_tar(TarFile tar, const IndexStore& indexes, const IdentityCache& identities,
                           const TarScanOptions& options, const MirrorStore* mirrors) {
  return Opening(indexes, identities, options, mirrors).open(std::move(tar));
}

}  // namespace acetate
