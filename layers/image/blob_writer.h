// One blob on its way into a layout: a temporary file that is hashed while it is written.
//
// .acetate-blob-UNIQUE goes with its writer. .acetate-part-HEX is what there is of the blob HEX of a transfer that was
// interrupted; the next one goes on at its end. Whoever writes one holds a lock on it.
#pragma once

#include <memory>

#include "base/fd.h"
#include "base/result.h"
#include "layers/image/layout.h"

namespace acetate::image {

// `layout` is the layout's directory, open for reading. The writer keeps its own descriptor of it.
Result<std::unique_ptr<BlobWriter>> new_blob_writer(FdRef layout,
                                                    const std::optional<Descriptor>& expected = std::nullopt);

// With what an earlier one left, hashed anew: nothing vouches for it but the digest of the whole. Where another process
// writes that blob just now, and for small ones, as new_blob_writer(). A writer that could not write, or whose bytes
// turned out wrong, leaves nothing.
Result<std::unique_ptr<BlobWriter>> resume_blob_writer(FdRef layout, const Descriptor& expected);

// The second half of that, for the file that the part's name led to when it was opened: null when it has been published or removed before
// the lock was ours, and what the name leads to is to be looked at anew.
Result<std::unique_ptr<BlobWriter>> take_up_part(FdRef layout, Fd file, const Descriptor& expected);

// Which parts of interrupted transfers are given up: those of last week, or all.
enum class Unfinished { old, all };
// Removes temporary files whose writers are gone: a writer holds a lock on its own for as long as it lives.
Result<void> remove_abandoned_blobs(FdRef layout, Unfinished parts = Unfinished::old);

}  // namespace acetate::image
