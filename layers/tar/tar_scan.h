// One pass over a tarball, packed or not: the tree it describes, where each file's bytes lie in the plain
// stream, and all that FirstPass learns on the way.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "layers/stream/first_pass.h"
#include "layers/stream/source.h"
#include "layers/tar/tar_limits.h"
#include "layers/tar/tar_tree.h"

namespace acetate {

struct TarScan {
  TarTree tree;
  FirstPassResult pass;
};

struct TarScanOptions {
  TarLimits limits = {};
  FirstPassOptions pass = {};
};

// A gzip stream that the fast decoder finds damaged is read again with zlib before it is called so.
//
// EBADMSG: damaged, cut off or no tar at all; EFBIG: past a limit; EINVAL: an entry that no layer may have. All
// in words that say which entry and where. Errors of the source keep their code.
Result<TarScan> scan_tar(SourcePtr packed, const TarScanOptions& options = {});

// A raw name for messages: bytes that are no printable ASCII as \xNN, cut when long.
std::string printable(std::string_view raw);

}  // namespace acetate
