// write_oci_archive(): a layout as one tarball that is the same, byte for byte, for the same layout.
#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "layers/image/layout.h"
#include "layers/image/ustar.h"

namespace acetate::image {

namespace {

constexpr std::size_t kBlock = 512;

Result<void> write_padding(FdRef out, std::uint64_t size) {
  constexpr std::array<std::byte, kBlock> zeroes{};
  const auto rest = static_cast<std::size_t>(size % kBlock);
  return rest == 0 ? Result<void>() : sys::write_full(out, std::span(zeroes).first(kBlock - rest));
}

// Reads and writes instead of copy_file_range: `out` may be a pipe.
Result<void> write_member(FdRef dir, const std::string& name, FdRef out) {
  const Fd file = TRY(sys::open(FileAt{dir, name.c_str()}, O_RDONLY | O_NONBLOCK));
  const auto st = TRY(sys::stat(file.ref()));
  if (!S_ISREG(st.st_mode)) return fail(EINVAL, "it is not a regular file");
  const auto size = static_cast<std::uint64_t>(st.st_size);
  TRY(sys::write_full(out, ustar_file(name, size)));
  std::vector<std::byte> buffer(1 << 20);
  for (std::uint64_t at = 0; at < size;) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size - at));
    const auto part = std::span(buffer).first(want);
    if (TRY(sys::pread_full(file.ref(), part, at)) < want)
      return fail(EIO, "it became shorter while it was read");
    TRY(sys::write_full(out, part));
    at += want;
  }
  return write_padding(out, size);
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
  // Docker's own list of images, where there is one: `docker load` reads such an archive by it.
  if (sys::stat(FileAt{dir.ref(), "manifest.json"})) names.emplace_back("manifest.json");

  for (const char* name : {"blobs/", "blobs/sha256/"})
    TRY_WITHIN(sys::write_full(out, ustar_dir(name)), "writing the archive of {}", layout_dir);
  for (const auto& name : names)
    TRY_WITHIN(write_member(dir.ref(), name, out), "packing {}/{}", layout_dir, name);
  constexpr std::array<std::byte, 2 * kBlock> end{};
  TRY_WITHIN(sys::write_full(out, end), "writing the archive of {}", layout_dir);
  return {};
}

}  // namespace acetate::image
