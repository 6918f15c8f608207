#include "layers/tar/open_lazy_tar.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "base/sys/dir.h"
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
Result<void> prove(const ByteSource& source, const Digest& blob) {
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

// Whoever chooses where decoding begins, and the window before it, chooses what comes out. A digest is what the bytes are
// held against, by each reader and in the end by us, who read in order and would not pass that place.
Result<void> every_span_has_a_digest(const LayerIndexPtr& index) {
  const auto spans = LayerIndex::checkpoints(index);
  for (std::size_t i = 0; i < spans->count(); ++i)
    if (!TRY(spans->at(i)).digest) return fail(EBADMSG, "its span {} has no digest", i);
  return {};
}

// Null: what lies there is no index that we can read, so nobody is shown anything by it.
Result<LayerIndexPtr> open_foreign(const std::string& path, const Digest& blob) {
  const auto file = sys::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file && file.error().is(ENOENT)) return Error(ENOENT);
  if (!file) return file.error().clone().within("opening " + path);
  auto index = LayerIndex::open(file->ref(), path, blob);
  auto usable = index ? every_span_has_a_digest(*index) : Result<void>(index.error().clone());
  if (usable) return LayerIndexPtr(*std::move(index));
  if (!usable.error().is(EBADMSG) && !usable.error().is(ENOTSUP)) return std::move(usable).error().within("opening " + path);
  log::info("the layer index {} cannot be used: {}", path, usable.error().message());
  return LayerIndexPtr();
}

// Nothing that bytes from elsewhere can bring about.
bool is_our_trouble(const Error& error) {
  constexpr int kCodes[] = {ENOMEM, EMFILE, ENFILE, ENOSPC, EDQUOT, EROFS, EACCES, EPERM, EINTR};
  return std::ranges::find(kCodes, error.code()) != std::end(kCodes);
}

Error as_lie(Error error) { return Error(EBADMSG, error.message()); }

// What stood in the way of holding an index against the blob. A lie shows over good bytes; a disk that dies meanwhile does
// not give them back a second time either.
Error weighed(Error error, const ByteSource& packed, const Digest& blob) {
  if (is_our_trouble(error)) return error;
  if (const auto good = prove(packed, blob); !good)
    return fail(EIO, "the disk does not keep {}: {}", blob.str(), good.error().message());
  return as_lie(std::move(error));
}

Result<LayerIndexPtr> own_index(const Digest& blob, const IndexStore& indexes, const SourcePtr& packed) {
  if (auto own = indexes.find(blob)) return own;
  auto scan = scan_tar(packed);
  // What is no tar at all is not what any index says.
  if (!scan) return weighed(std::move(scan).error(), *packed, blob);
  // It was verified a moment ago.
  if (scan->pass.blob != blob) return fail(EIO, "the disk does not keep {}: it is {} now", blob.str(), scan->pass.blob.str());
  return indexes.keep(IndexImage::build(*std::move(scan)));
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

std::string foreign_index_name(const Digest& blob, const Digest& origin) { return blob.hex() + "." + origin.hex() + ".lix"; }

Result<std::vector<std::string>> foreign_index_names(const std::string& path, const Digest& blob) {
  const Fd dir = TRY_WITHIN(sys::open(path, O_RDONLY | O_DIRECTORY), "opening {}", path);
  std::vector<std::string> names;
  TRY(sys::read_dir(dir.ref(), [&](const sys::DirEntry& entry) {
    const std::string_view name = entry.name;
    if (name.starts_with(blob.hex() + ".") && name.ends_with(".lix")) names.emplace_back(name);
    return true;
  }));
  return names;
}

LayerIndexPtr find_foreign_index(const std::string& dir, const Digest& blob, const Digest& origin) {
  auto found = open_foreign(dir + "/" + foreign_index_name(blob, origin), blob);
  if (found) return *std::move(found);
  if (!found.error().is(ENOENT)) log::warn("{}", found.error().message());
  return nullptr;
}

Result<OpenedTar> open_lazy_tar(const LazyTar& tar, const IndexStore& indexes, const MirrorStore* mirrors) {
  auto blob = TRY(PartialBlob::open(tar.dir, tar.blob));
  OpenedTar opened{.is_lazy = true};
  LayerIndexPtr index = indexes.find(tar.blob);
  opened.index_was_cached = index != nullptr;
  if (index == nullptr && tar.index) {
    index = find_foreign_index(tar.dir, tar.blob, *tar.index);
    if (index && (index->facts().packed_bytes != blob->size() || index->facts().format == Format::plain)) index = nullptr;
    opened.index_is_foreign = index != nullptr;
  }
  const auto source = std::make_shared<LazySource>(std::move(blob),
                                                   tar.fetcher != nullptr ? tar.fetcher : FetcherClient::of(tar.dir),
                                                   opened.index_is_foreign ? ShownBy::foreign_index : ShownBy::our_index);
  const SourcePtr packed = source;
  if (index == nullptr) {
    index = TRY(index_on_the_way(*source, packed, tar.blob, indexes));
  } else if (index->facts().packed_bytes != source->size()) {
    return fail(EBADMSG, "it has {} bytes, but {} has {}", source->size(), tar.blob.str(), index->facts().packed_bytes);
  } else if (index->facts().format == Format::plain) {
    TRY(source->complete(true));
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

Result<void> check_foreign_indexes(const std::string& dir, const Digest& blob, const IndexStore& indexes,
                                   const SourcePtr& packed) {
  const auto names = TRY(foreign_index_names(dir, blob));
  if (names.empty()) return {};
  const auto own = TRY(own_index(blob, indexes, packed));
  const auto ours = sys::read_file(indexes.path_of(blob), kMostIndexBytes);
  for (const auto& name : names) {
    const auto path = dir + "/" + name;
    const auto foreign = TRY(open_foreign(path, blob));
    if (foreign == nullptr) continue;
    // The same program makes the same bytes of the same tar; another version's may differ and be right.
    const auto theirs = sys::read_file(path, kMostIndexBytes);
    if (theirs && ours && *theirs == *ours) continue;
    const LayerPtr real = make_tar_layer(own, TRY(plain_bytes(own, packed, nullptr)));
    auto bytes = plain_bytes(foreign, packed, nullptr);
    auto same = bytes ? same_tree(*make_tar_layer(foreign, *std::move(bytes)), *real) : Result<void>(std::move(bytes).error());
    if (!same) return weighed(std::move(same).error(), *packed, blob);
  }
  return {};
}

}  // namespace acetate
