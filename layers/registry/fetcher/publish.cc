#include "layers/registry/fetcher/publish.h"

#include <fcntl.h>

#include <cerrno>

#include "base/log.h"
#include "base/sys/file.h"
#include "layers/image/blob_folders.h"
#include "layers/image/image_files.h"
#include "layers/image/lazy_images.h"
#include "layers/registry/fetcher/ticket.h"
#include "layers/tar/check_shown.h"
#include "layers/tar/foreign_index.h"

namespace acetate::registry {

namespace {

Result<void> forget(FdRef dir, const std::string& name) {
  auto gone = sys::unlink({dir, name.c_str()});
  if (!gone && !gone.error().is(ENOENT)) return std::move(gone).error().within("removing " + name);
  return {};
}

Result<void> move_to_store(FdRef lazy, const std::string& store, const PartialBlob& blob) {
  const auto data = PartialBlob::data_name(blob.digest());
  TRY(sys::fsync(blob.data()));
  const Fd layout = TRY_WITHIN(sys::open(store, O_RDONLY | O_DIRECTORY), "opening {}", store);
  const Fd blobs = TRY_WITHIN(image::open_blob_folder(layout.ref(), blob.digest().algorithm()), "opening the folder of the blobs of {}", store);
  const auto name = blob.digest().hex();
  auto moved = sys::rename({lazy, data.c_str()}, {blobs.ref(), name.c_str()});
  // An earlier try may have come so far.
  if (!moved && !(moved.error().is(ENOENT) && sys::stat({blobs.ref(), name.c_str()}))) return moved;
  return sys::fsync(blobs.ref());
}

}  // namespace

Result<void> publish_blob(const std::string& dir, const PartialBlob& blob, const std::string& index_dir) {
  const std::string store = dir.substr(0, dir.rfind('/'));
  const auto packed = TRY(file_source(TRY(sys::dup(blob.data())), 0, blob.size()));
  const auto ticket = TRY(read_ticket(dir, blob.digest()));
  const auto checked =
      check_shown({.dir = dir, .blob = blob.digest(), .toc = ticket.blob.toc}, IndexStore(index_dir), packed);
  // Our own trouble is no lie of theirs: it stays partial, and is checked when it is wanted again.
  if (!checked && !checked.error().is(EBADMSG))
    return checked.error().clone().within("checking what was said of " + blob.digest().str());
  if (!checked) {
    log::error("what came with the layer {} does not tell what is in it: {}", blob.digest().str(),
               checked.error().message());
    // A blob that is no tar at all is still the blob; what was shown of it is not to be believed either way.
    TRY(blob.condemn());
  }
  const Fd lazy = TRY_WITHIN(sys::open(dir, O_RDONLY | O_DIRECTORY), "opening {}", dir);
  TRY_WITHIN(move_to_store(lazy.ref(), store, blob), "moving {} into the store", blob.digest().str());
  // The map goes last: a ticket without it is nothing.
  auto names = TRY(foreign_index_names(dir, blob.digest()));
  for (auto& trace : TRY(foreign_trace_names(dir, blob.digest()))) names.push_back(std::move(trace));
  names.insert(names.end(), {ticket_name(blob.digest()), PartialBlob::map_name(blob.digest())});
  for (const auto& name : names) TRY(forget(lazy.ref(), name));
  TRY(image::LazyImages(store).settle());
  if (checked) return {};
  return fail(EBADMSG, "an index that came with the layer {}, or its table of contents, told of other files than there are, and "
              "nothing more is read by it in what is mounted; the layer itself is good and in the store", blob.digest().str());
}

}  // namespace acetate::registry
