// One regular file inside a tarball.
#pragma once

#include <memory>

#include "base/result.h"
#include "layers/layer.h"
#include "layers/stream/source.h"
#include "layers/tar/layer_index.h"

namespace acetate {

// `index` must outlive it. EIO when the inode speaks of bytes that the tar has not.
Result<std::unique_ptr<FileView>> open_tar_file(const LayerIndex& index, SourcePtr plain, const lix::Inode& inode);

// A program or a library (ELF). Of a file that is longer the first bytes are read.
inline constexpr std::size_t kProgramMark = 4;
Result<bool> is_program(const FileView& file);

}  // namespace acetate
