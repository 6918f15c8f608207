// A file on disk as a FileView.
#pragma once

#include <memory>

#include "layers/layer.h"

namespace acetate {

// `file` is open for reading and regular; `size` its size.
std::unique_ptr<FileView> plain_file_view(Fd file, std::uint64_t size);

}  // namespace acetate
