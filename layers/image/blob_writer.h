// One blob on its way into a layout: a temporary file that is hashed while it is written.
#pragma once

#include <memory>

#include "base/fd.h"
#include "base/result.h"
#include "layers/image/layout.h"

namespace acetate::image {

// `layout` is the layout's directory, open for reading. The writer keeps its own descriptor of it.
Result<std::unique_ptr<BlobWriter>> new_blob_writer(FdRef layout,
                                                    const std::optional<Descriptor>& expected = std::nullopt);

// Removes temporary files whose writers are gone: a writer holds a lock on its own for as long as it lives.
Result<void> remove_abandoned_blobs(FdRef layout);

}  // namespace acetate::image
