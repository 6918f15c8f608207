#include "layers/verify_layer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/sys/file.h"
#include "layers/tar/index_bytes.h"
#include "layers/tar/index_store.h"
#include "layers/tar/source_digest.h"
#include "layers/tar/tar_scan.h"
#include "layers/tar/toc_trust.h"

namespace acetate {

namespace {

Result<SourcePtr> bytes_of(const LayerSpec& spec) {
  Fd file = TRY(sys::open(spec.path, O_RDONLY | O_NONBLOCK));
  const auto st = TRY(sys::stat(file.ref()));
  if (!S_ISREG(st.st_mode)) return fail(EINVAL, "is no tarball, so there is nothing to verify");
  const auto size = static_cast<std::uint64_t>(st.st_size);
  if (spec.offset > size) return fail(EINVAL, "has {} bytes, fewer than its offset {} says", size, spec.offset);
  return file_source(std::move(file), spec.offset, spec.length.value_or(size - spec.offset));
}

Result<VerifiedLayer> verify(const LayerSpec& spec, const std::optional<Digest>& diff_id,
                             const std::string& index_dir) {
  const SourcePtr packed = TRY(bytes_of(spec));
  const auto blob_by = spec.digest ? spec.digest->algorithm() : Digest::Algorithm::sha256;
  const IndexImage image = IndexImage::build(TRY(scan_tar(packed, {.pass = {.blob_by = blob_by}})));
  const LayerIndexPtr index = TRY(index_in_memory(image));
  VerifiedLayer verified{.facts = index->facts()};
  const IndexFacts& facts = verified.facts;
  if (spec.digest && facts.blob != *spec.digest)
    return fail(EBADMSG, "it is {} and not {}", facts.blob.str(), spec.digest->str());
  if (diff_id) {
    const Digest found = facts.diff_id.algorithm() == diff_id->algorithm() ? facts.diff_id : TRY(digest_of(*TRY(plain_bytes(index, packed)), diff_id->algorithm()));
    if (found != *diff_id) return fail(EBADMSG, "its uncompressed bytes are {} and not {}", found.str(), diff_id->str());
  }
  // Whoever looks at the table and whoever unpacks the tar must see one tree.
  verified.has_toc = TRY(hold_toc_against(index, packed));

  const IndexStore indexes(index_dir);
  const LayerIndexPtr cached = indexes.find(facts.blob);
  verified.index_was_there = cached != nullptr;
  verified.index_was_right = cached != nullptr && cached->facts().fingerprint == facts.fingerprint && cached->is_whole();
  if (!verified.index_was_right) TRY(indexes.keep(image));
  return verified;
}

}  // namespace

Result<VerifiedLayer> verify_layer(const LayerSpec& spec, const std::optional<Digest>& diff_id,
                                   const std::string& index_dir) {
  auto verified = verify(spec, diff_id, index_dir);
  if (!verified) return std::move(verified).error().within("verifying layer " + spec.path);
  return verified;
}

}  // namespace acetate
