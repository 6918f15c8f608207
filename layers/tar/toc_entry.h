// One entry of a table of contents, as its JSON has it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "layers/layer.h"

namespace acetate {

struct TocEntry {
  std::string type;  // dir, reg, symlink, hardlink, char, block, fifo; chunk: more of the file before
  std::string name;
  std::string link;
  std::string modtime;  // RFC 3339
  std::string digest;   // of the whole file
  std::string chunk_digest;
  std::string chunk_type;  // "zeros": a hole
  std::uint64_t mode = 0, uid = 0, gid = 0, size = 0, major = 0, minor = 0;
  std::uint64_t offset = 0;        // packed
  std::uint64_t chunk_offset = 0;  // in the file
  std::uint64_t chunk_size = 0;    // 0: the rest
  std::uint64_t inner_offset = 0;
  std::vector<Xattr> xattrs;
};

// Reads the JSON entry by entry, without building a document of it. EBADMSG with words for what is no table; what
// `each` says ends it is returned as it is.
Result<void> read_toc_entries(std::string_view json, const std::function<Result<void>(const TocEntry&)>& each);

}  // namespace acetate
