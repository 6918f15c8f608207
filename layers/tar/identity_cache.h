// Which digest a file has, remembered by what stat(2) says of it, so that a tarball given by its path is not
// hashed again at every mount.
//
// As git's index has it, a file changed in the very moment it was recorded ("racily clean") is not believed:
// a later change could leave the same times. Such a record is a guess, which hashing the file (without decoding
// it) confirms.
#pragma once

#include <sys/stat.h>
#include <time.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/digest.h"
#include "layers/tar/file_lock.h"

namespace acetate {

// A part of a file, at one moment.
struct FilePart {
  struct stat st;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

class IdentityCache {
 public:
  using Clock = std::function<timespec()>;
  // Keeps small files in `dir`/identity; past `most_records` the half that was written longest ago goes. `now` is
  // for tests.
  explicit IdentityCache(const std::string& dir, Clock now = {}, std::size_t most_records = 4096);

  struct Known {
    Digest digest;
    bool certain;  // the file was at rest when it was recorded
  };
  // Each algorithm's digest is remembered by itself.
  std::optional<Known> find(const FilePart& part, Digest::Algorithm algorithm = Digest::Algorithm::sha256) const;
  // Never fails: what cannot be remembered is hashed again.
  void remember(const FilePart& part, const Digest& digest) const;
  // Held by whoever finds out the digest of a part, so that two processes do not both; may hold nothing.
  FileLock lock(const FilePart& part) const;

 private:
  std::string dir_;
  Clock now_;
  std::size_t most_records_;
};

}  // namespace acetate
