// Copying the bytes of a layer's file into an upper file.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"
#include "layers/layer.h"

namespace acetate::fs {

// Copies the first `length` bytes into an empty file, by reflink or in the kernel where they lie plain in a
// file, else by reading; holes stay holes, and the file ends `length` long. EIO when the source is shorter.
// The bytes that moved, for whoever counts.
Result<std::uint64_t> copy_data(const FileView& from, FdRef to, std::uint64_t length);

}  // namespace acetate::fs
