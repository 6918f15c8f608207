// write_oci_archive(): a layout as one tarball that is the same, byte for byte, for the same layout.
#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <vector>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "layers/image/archive_writer.h"
#include "layers/image/layout.h"

namespace acetate::image {

namespace {

Result<LayerSpec> whole_file(const std::string& path) {
  const auto st = TRY(sys::stat_following(path));
  if (!S_ISREG(st.st_mode)) return fail(EINVAL, "it is not a regular file");
  return LayerSpec{.path = path, .length = static_cast<std::uint64_t>(st.st_size)};
}

Result<std::vector<std::string>> blob_names(FdRef dir) {
  const Fd blobs = TRY(sys::open(FileAt{dir, "blobs/sha256"}, O_RDONLY | O_DIRECTORY));
  std::vector<std::string> names;
  TRY(sys::read_dir(blobs.ref(), [&](const sys::DirEntry& entry) {
    // Others' temporary files are no blobs.
    if (Digest::parse(fmt::format("sha256:{}", entry.name)))
      names.push_back(fmt::format("blobs/sha256/{}", entry.name));
    return true;
  }));
  std::ranges::sort(names);
  return names;
}

}  // namespace

Result<void> write_oci_archive(const std::string& layout_dir, FdRef out) {
  const Fd dir = TRY_WITHIN(sys::open(layout_dir, O_RDONLY | O_DIRECTORY), "opening {}", layout_dir);
  if (!sys::stat(FileAt{dir.ref(), "oci-layout"}))
    return fail(EINVAL, "{} is not an OCI image layout: it has no file oci-layout", layout_dir);
  TRY_WITHIN(sys::flock(dir.ref(), LOCK_SH), "locking {}", layout_dir);
  auto names = TRY_WITHIN(blob_names(dir.ref()), "listing the blobs of {}", layout_dir);
  names.insert(names.end(), {"index.json", "oci-layout"});

  ArchiveWriter archive(out);
  for (const char* name : {"blobs/", "blobs/sha256/"})
    TRY_WITHIN(archive.dir(name), "writing the archive of {}", layout_dir);
  for (const auto& name : names) {
    const auto path = layout_dir + "/" + name;
    TRY_WITHIN(archive.file(name, TRY_WITHIN(whole_file(path), "packing {}", path)), "packing {}", path);
  }
  return TRY_WITHIN(archive.finish(), "writing the archive of {}", layout_dir);
}

}  // namespace acetate::image
