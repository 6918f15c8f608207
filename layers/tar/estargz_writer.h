// eStargz written: a tarball packed so that each file can be unpacked alone, with a table of contents at its end
// (stargz-snapshotter docs/estargz.md).
//
//   every chunk (4 MiB) of a file begins a gzip member of its own; the tar in them is the one that was given, with the table as its
//   last entry "stargz.index.json", and the member after it, empty, says where that begins
//
// So it is a tar.gz for whoever asks no table, and another tar than the one it was made from: the diff id is new. Landmark files, by
// which a snapshotter is told what to fetch first, are not put in: they would be files of the image.
#pragma once

#include "base/digest.h"
#include "base/result.h"
#include "layers/stream/packer.h"
#include "layers/stream/source.h"

namespace acetate {

struct Estargz {
  Digest source;                 // by `source_by`, of the tar that was given, unpacked: whoever knows what it should be compares
  Digest diff_id;                // of the tar that is in it
  Digest toc;                    // of the table's JSON, as manifests annotate it
  std::uint64_t plain_size = 0;  // of that tar
};

// `tar`: packed or not; read twice. The same bytes for the same tar and level. ENOTSUP with words for what a table cannot tell: sparse
// files, whose bytes do not lie together in the tar, and names that are no UTF-8; else errors as of scan_tar().
Result<Estargz> write_estargz(const SourcePtr& tar, const Packer::Out& out, int level,
                               Digest::Algorithm source_by = Digest::Algorithm::sha256);

}  // namespace acetate
