// Everything that can be verified about a layer that is a tarball, verified: each of its bytes read and decoded.
#pragma once

#include <optional>
#include <string>

#include "base/digest.h"
#include "base/result.h"
#include "layers/layer_spec.h"

namespace acetate {

struct VerifiedLayer {
  IndexFacts facts;               // as the tarball has it now
  bool index_was_there = false;
  bool index_was_right = false;   // a wrong one was replaced
  bool has_toc = false;           // a table of contents (eStargz, zstd:chunked), which says what the tar says
};

// Scans the tarball as if for the first time: the format's own checksums, the digest that `spec` names, then
// `diff_id` where it is given. The cached index must be what the scan makes; where it is not, or where there is
// none, it is made. A table of contents must tell the tree that the tar has. EBADMSG and what open_layer() says, in words; EINVAL for a directory.
Result<VerifiedLayer> verify_layer(const LayerSpec& spec, const std::optional<Digest>& diff_id,
                                   const std::string& index_dir);

}  // namespace acetate
