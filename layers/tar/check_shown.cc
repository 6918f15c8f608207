#include "layers/tar/check_shown.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/sys/file.h"
#include "layers/tar/foreign_index.h"
#include "layers/tar/index_bytes.h"
#include "layers/tar/source_digest.h"
#include "layers/tar/tar_layer.h"
#include "layers/tar/tar_scan.h"
#include "layers/tar/toc_layer.h"

namespace acetate {

namespace {

constexpr std::size_t kMostIndexBytes = std::size_t{1} << 30;

// Nothing that bytes from elsewhere can bring about.
bool is_our_trouble(const Error& error) {
  constexpr int kCodes[] = {ENOMEM, EMFILE, ENFILE, ENOSPC, EDQUOT, EROFS, EACCES, EPERM, EINTR};
  return std::ranges::find(kCodes, error.code()) != std::end(kCodes);
}

class Check {
 public:
  Check(const ShownLayer& layer, const IndexStore& indexes, const SourcePtr& packed)
      : layer_(layer), indexes_(indexes), packed_(packed) {}

  Result<void> run() {
    const auto names = TRY(foreign_index_names(layer_.dir, layer_.blob));
    const auto toc = TRY(table());
    if (names.empty() && !toc) return {};
    own_ = TRY(own_index());
    for (const auto& name : names) TRY(index_from_elsewhere(layer_.dir + "/" + name));
    return toc ? hold(*toc->layer) : Result<void>();
  }

 private:
  // What stood in the way of holding one against the blob. A lie shows over good bytes; a disk that dies meanwhile does
  // not give them back a second time either.
  Error weighed(Error error) const {
    if (is_our_trouble(error)) return error;
    auto found = digest_of(*packed_, layer_.blob.algorithm());
    if (!found) return fail(EIO, "the disk does not keep {}: {}", layer_.blob.str(), found.error().message());
    if (*found != layer_.blob) return changed(*found);
    return Error(EBADMSG, error.message());
  }

  Error changed(const Digest& found) const {
    return fail(EIO, "the disk does not keep {}: it is {} now", layer_.blob.str(), found.str());
  }

  // Nothing: the blob has none by which anybody was shown it.
  Result<std::optional<TocLayer>> table() const {
    if (!layer_.toc) return std::optional<TocLayer>();
    auto place = find_toc(*packed_);
    auto toc = place && *place ? toc_layer(packed_, **place, {.digest = layer_.toc}) : Result<TocLayer>(Error(ENOTSUP));
    if (!place) toc = std::move(place).error();
    if (toc) return std::optional(*std::move(toc));
    const Error& error = toc.error();
    if (!error.is(EBADMSG) && !error.is(ENOTSUP) && !error.is(EFBIG) && !error.is(EINVAL)) return weighed(error.clone());
    log::info("{} is not held against its table of contents, which cannot be read: {}", layer_.blob.str(), error.message());
    return std::optional<TocLayer>();
  }

  Result<LayerIndexPtr> own_index() const {
    // Damage in it would look like a lie of those who showed the layer.
    if (auto own = indexes_.find(layer_.blob); own != nullptr && own->is_whole()) return own;
    auto scan = scan_tar(packed_, {.pass = {.blob_by = layer_.blob.algorithm()}});
    // What is no tar at all is not what any index says.
    if (!scan) return weighed(std::move(scan).error());
    // It was verified a moment ago.
    if (scan->pass.blob != layer_.blob) return changed(scan->pass.blob);
    return indexes_.keep(IndexImage::build(*std::move(scan)));
  }

  Result<void> index_from_elsewhere(const std::string& path) const {
    const auto foreign = TRY(open_foreign_index(path, layer_.blob));
    if (foreign == nullptr) return {};
    // It was whole when it came; the disk has damaged it since.
    if (!foreign->is_whole()) {
      log::warn("the layer index {} was damaged on the disk, and {} is not held against it", path, layer_.blob.str());
      return {};
    }
    // The same program makes the same bytes of the same tar; another version's may differ and be right.
    const auto ours = sys::read_file(indexes_.path_of(layer_.blob), kMostIndexBytes);
    const auto theirs = sys::read_file(path, kMostIndexBytes);
    if (theirs && ours && *theirs == *ours) return {};
    auto bytes = plain_bytes(foreign, packed_);
    if (!bytes) return weighed(std::move(bytes).error());
    return hold(*make_tar_layer(foreign, *std::move(bytes)));
  }

  Result<void> hold(const Layer& shown) const {
    const LayerPtr real = make_tar_layer(own_, TRY(plain_bytes(own_, packed_)));
    auto same = same_tree(shown, *real);
    return same ? Result<void>() : weighed(std::move(same).error());
  }

  const ShownLayer& layer_;
  const IndexStore& indexes_;
  const SourcePtr& packed_;
  LayerIndexPtr own_;
};

}  // namespace

Result<void> check_shown(const ShownLayer& layer, const IndexStore& indexes, const SourcePtr& packed) {
  return Check(layer, indexes, packed).run();
}

}  // namespace acetate
