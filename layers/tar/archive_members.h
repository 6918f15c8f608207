// What lies where in an uncompressed tarball: for archives that hold other tarballs (oci-archive,
// docker-archive), so that a layer inside one is a path, an offset and a length.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace acetate {

struct ArchiveMember {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

class ArchiveMembers {
 public:
  // Reads every header. `each` sees the name of each member as it comes; false stops there, and what follows
  // is not known. `what` names the archive in errors. EINVAL with words for something that is no uncompressed
  // tarball, is cut short or has a million members. Members whose names lead out (".."), and other than
  // regular files and links, are passed over.
  static Result<ArchiveMembers> read(FdRef file, std::string_view what,
                                     const std::function<bool(std::string_view name)>& each = {});

  // Where the bytes of a regular file lie, through symlinks and hard links inside the archive. As when it is
  // unpacked, the last of several members with one name is the one. ENOENT bare; ELOOP with words; ENOTSUP
  // with words for a sparse file.
  Result<ArchiveMember> find(std::string_view name) const;

 private:
  struct Member {
    ArchiveMember bytes;
    std::string target;  // of a link: the name in this archive
    bool is_link = false;
    bool is_sparse = false;
  };
  std::map<std::string, Member, std::less<>> members_;
  std::string what_;
};

// How a file, or what lies at an offset of it, begins: nothing that is known, or one of "gzip", "bzip2",
// "xz", "zstd", "lz4".
Result<std::optional<std::string>> compression_of(FdRef file, std::uint64_t offset = 0);

// The name of the first member of a tarball, compressed or not. ENOENT bare for an empty one; EINVAL with
// words for what is no tarball.
Result<std::string> first_member(FdRef file, std::string_view what);

}  // namespace acetate
