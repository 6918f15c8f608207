// write_oci_archive(): a layout as one tarball that is the same, byte for byte, for the same layout.
#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/sys/file.h"
#include "layers/image/archive_writer.h"
#include "layers/image/blob_folders.h"
#include "layers/image/image_files.h"
#include "layers/image/layout.h"

namespace acetate::image {

namespace {

Result<LayerSpec> whole_file(const std::string& path) {
  const auto st = TRY(sys::stat_following(path));
  if (!S_ISREG(st.st_mode)) return fail(EINVAL, "it is not a regular file");
  return LayerSpec{.path = path, .length = static_cast<std::uint64_t>(st.st_size)};
}

}  // namespace

Result<void> write_oci_archive(const std::string& layout_dir, FdRef out) {
  const Fd dir = TRY_WITHIN(sys::open(layout_dir, O_RDONLY | O_DIRECTORY), "opening {}", layout_dir);
  if (!sys::stat(FileAt{dir.ref(), "oci-layout"}))
    return fail(EINVAL, "{} is not an OCI image layout: it has no file oci-layout", layout_dir);
  TRY_WITHIN(sys::flock(dir.ref(), LOCK_SH), "locking {}", layout_dir);
  const auto blobs = TRY_WITHIN(list_blobs(dir.ref()), "listing the blobs of {}", layout_dir);
  std::vector<std::string> names;
  std::ranges::transform(blobs, std::back_inserter(names), blob_name);
  names.insert(names.end(), {"index.json", "oci-layout"});

  ArchiveWriter archive(out);
  for (const auto& name : folders_for(blobs))
    TRY_WITHIN(archive.dir(name), "writing the archive of {}", layout_dir);
  for (const auto& name : names) {
    const auto path = layout_dir + "/" + name;
    auto file = TRY_WITHIN(whole_file(path), "packing {}", path);
    file.digest = digest_of_blob_name(name);
    TRY_WITHIN(archive.file(name, file), "packing {}", path);
  }
  return TRY_WITHIN(archive.finish(), "writing the archive of {}", layout_dir);
}

}  // namespace acetate::image
