#include "layers/tar/open_lazy_tar.h"

#include <fcntl.h>

#include <utility>

#include "base/log.h"
#include "base/sys/file.h"
#include "layers/stream/fetcher_client.h"
#include "layers/stream/lazy_source.h"
#include "layers/tar/tar_layer.h"
#include "layers/tar/tar_scan.h"
#include "layers/tar/toc_layer.h"

namespace acetate {

namespace {

constexpr std::size_t kMostIndexBytes = std::size_t{1} << 30;

// Reads it as it comes.
Result<LayerIndexPtr> index_on_the_way(const LazySource& source, const SourcePtr& packed, const Digest& blob,
                                       const IndexStore& indexes) {
  TRY(source.complete(true));
  // Of two processes that want it one makes it.
  const FileLock lock = indexes.lock(blob);
  if (auto index = indexes.find(blob)) return index;
  TarScan scan = TRY(scan_tar(packed));
  if (scan.pass.blob != blob) return fail(EBADMSG, "it is {} and not {}", scan.pass.blob.str(), blob.str());
  return indexes.keep(IndexImage::build(std::move(scan)));
}

// All of it, read once so that it is known to be what it should be.
Result<void> prove(const LazySource& source, const Digest& blob) {
  TRY(source.complete(true));
  Sha256 sha;
  std::vector<std::byte> block(std::size_t{1} << 20);
  for (std::uint64_t at = 0; at < source.size();) {
    const std::size_t got = TRY(source.pread(block, at));
    sha.update(std::span(block).first(got));
    at += got;
  }
  if (const Digest found = sha.finish(); found != blob) return fail(EBADMSG, "it is {} and not {}", found.str(), blob.str());
  return {};
}

Result<DecodedSourcePtr> plain_bytes(const LayerIndexPtr& index, SourcePtr packed, const MirrorStore* mirrors) {
  const IndexFacts& facts = index->facts();
  return seekable_source({.packed = std::move(packed),
                          .format = facts.format,
                          .plain_size = facts.plain_bytes,
                          .checkpoints = LayerIndex::checkpoints(index),
                          .read_ahead = true,
                          .mirrors = mirrors != nullptr ? std::optional(*mirrors) : std::nullopt,
                          .blob = facts.blob});
}

}  // namespace

std::string foreign_index_name(const Digest& blob) { return blob.hex() + ".lix"; }

LayerIndexPtr find_foreign_index(const std::string& dir, const Digest& blob) {
  const std::string path = dir + "/" + foreign_index_name(blob);
  const auto file = sys::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file) return nullptr;
  auto index = LayerIndex::open(file->ref(), path, blob);
  if (index) return *std::move(index);
  log::info("the layer index {} cannot be used: {}", path, index.error().message());
  return nullptr;
}

Result<OpenedTar> open_lazy_tar(const LazyTar& tar, const IndexStore& indexes, const MirrorStore* mirrors) {
  auto blob = TRY(PartialBlob::open(tar.dir, tar.blob));
  const auto source = std::make_shared<LazySource>(
      std::move(blob), tar.fetcher != nullptr ? tar.fetcher : FetcherClient::of(tar.dir));
  const SourcePtr packed = source;

  OpenedTar opened{.is_lazy = true};
  LayerIndexPtr index = indexes.find(tar.blob);
  opened.index_was_cached = index != nullptr;
  if (index == nullptr) {
    index = find_foreign_index(tar.dir, tar.blob);
    opened.index_is_foreign = index != nullptr;
    if (index && (index->facts().packed_bytes != source->size() || index->facts().format == Format::plain)) index = nullptr;
  }
  if (index == nullptr) {
    opened.index_is_foreign = false;
    index = TRY(index_on_the_way(*source, packed, tar.blob, indexes));
  } else if (index->facts().packed_bytes != source->size()) {
    return fail(EBADMSG, "it has {} bytes, but {} has {}", source->size(), tar.blob.str(), index->facts().packed_bytes);
  } else if (index->facts().format == Format::plain) {
    TRY(prove(*source, tar.blob));
  } else {
    // In nobody's way. What cannot be asked for now is asked for when it is read.
    if (auto asked = source->complete(false); !asked) log::info("{}", asked.error().message());
  }
  opened.facts = index->facts();
  opened.bytes = TRY(plain_bytes(index, packed, opened.index_is_foreign ? nullptr : mirrors));
  opened.layer = make_tar_layer(std::move(index), opened.bytes, {.programs_whole_at_open = true});
  return opened;
}

Result<void> check_foreign_index(const LazyTar& tar, const IndexStore& indexes, const SourcePtr& packed) {
  const auto foreign = find_foreign_index(tar.dir, tar.blob);
  if (foreign == nullptr) return {};
  LayerIndexPtr own = indexes.find(tar.blob);
  if (own == nullptr) own = TRY(indexes.keep(IndexImage::build(TRY(scan_tar(packed)))));
  // The same program makes the same bytes of the same tar; another version's may differ and be right.
  const auto theirs = sys::read_file(tar.dir + "/" + foreign_index_name(tar.blob), kMostIndexBytes);
  const auto ours = sys::read_file(indexes.path_of(tar.blob), kMostIndexBytes);
  if (theirs && ours && *theirs == *ours) return {};
  const LayerPtr shown = make_tar_layer(foreign, TRY(plain_bytes(foreign, packed, nullptr)));
  const LayerPtr real = make_tar_layer(own, TRY(plain_bytes(own, packed, nullptr)));
  return same_tree(*shown, *real);
}

}  // namespace acetate
