// Writes a change of a tree as an OCI layer: a tarball in the pax format, by libarchive.
#pragma once

#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "layers/delta.h"

namespace acetate {

struct LayerWriterOptions {
  // Later times are written as this one (SOURCE_DATE_EPOCH); so are those of whiteouts, which have none.
  std::optional<timespec> clamp_mtime = {};
};

// The same operations give the same bytes, in any process, whatever its locale, time zone and umask. What is
// written: type, mode, owner by number, size, mtime to the nanosecond, xattrs (SCHILY.xattr.*), targets,
// device numbers. What is not: names of owners, atime, ctime, inode numbers. A header longer than 512 bytes
// stands only where an entry needs one. Names are raw bytes; where they are no UTF-8 the entry says
// hdrcharset=BINARY.
//
// The layer is to be applied with parents first, and so it must be told: an entry whose parent directory was
// not told before is EINVAL with words (the root needs no telling). `implicit_dir` is written as any
// directory, but for the root, which is written only when it changed. Sockets are left out: tar has no word
// for them.
//
// Not thread-safe. After a failed call only destroying it is allowed; what it wrote so far is then no
// archive.
class LayerWriter {
 public:
  // Gets the bytes as they come, about 64 KiB at a time. What it says when it fails is what add() or finish()
  // says.
  using Out = std::function<Result<void>(std::span<const std::byte>)>;

  explicit LayerWriter(Out out, LayerWriterOptions options = {});
  LayerWriter(LayerWriter&&) noexcept;
  LayerWriter& operator=(LayerWriter&&) noexcept;
  ~LayerWriter();

  // `content` as a DeltaSink gets it. EIO with words when it ends before its size.
  Result<void> add(const DeltaOp& op, const FileView* content);
  // Writes the end of the archive and everything that was still in memory. Once, last.
  Result<void> finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace acetate
