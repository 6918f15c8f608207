// The extended headers of one tar entry, read from their raw bytes.
//
// libarchive reads them too, and what it makes of them is not enough for a file system. Measured with 3.6.2:
// it converts names to the locale's character set (under UTF-8 with Unicode normalisation, so a decomposed
// name changes its bytes), skips global headers, forgets what the first of two extended headers said, and
// loses the sign of mtimes between -1 and 0. Everything else is taken from it.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "layers/layer.h"

namespace acetate {

// What the records said; names and values are raw bytes.
struct PaxRecords {
  std::optional<std::string> path = {};
  std::optional<std::string> linkpath = {};
  std::optional<timespec> mtime = {};
  std::optional<std::uint32_t> uid = {};
  std::optional<std::uint32_t> gid = {};
  std::vector<Xattr> xattrs = {};  // each name once, the last value wins; ACLs are among them
  bool stores_holes = false;       // Solaris' sparse files: a map, and all bytes all the same
  std::optional<std::string> acl_trouble = {};  // an ACL that was left out, and why
};

struct EntryHeaders {
  PaxRecords records;  // its own, over the global ones before it
  char typeflag = '0';
};

// `headers`: all header blocks of one entry, extended ones first. `global` is what earlier 'g' headers said
// about everything after them (POSIX pax "global extended header"); of those only owner, mtime and xattrs make sense
// for many files, so only they are kept. EBADMSG with words where a record is malformed. ACLs in the header of an older
// Solaris (type 'A') are passed over.
Result<EntryHeaders> read_entry_headers(std::span<const std::byte> headers, PaxRecords& global);

// "KEY=VALUE" records of one extended header into `into`. For tests and for read_entry_headers().
Result<void> read_pax_records(std::string_view body, PaxRecords& into);

}  // namespace acetate
