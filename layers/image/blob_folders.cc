#include "layers/image/blob_folders.h"

#include <fcntl.h>

#include <algorithm>

#include "base/sys/dir.h"
#include "base/sys/file.h"

namespace acetate::image {

namespace {

std::string folder_of(Digest::Algorithm algorithm) { return "blobs/" + std::string(name_of(algorithm)); }

}  // namespace

Result<Fd> open_blob_folder(FdRef layout, Digest::Algorithm algorithm) {
  const std::string path = folder_of(algorithm);
  auto folder = sys::open(FileAt{layout, path.c_str()}, O_RDONLY | O_DIRECTORY);
  if (folder || !folder.error().is(ENOENT)) return folder;
  const Fd blobs = TRY(sys::open(FileAt{layout, "blobs"}, O_RDONLY | O_DIRECTORY));
  if (auto made = sys::mkdir(FileAt{layout, path.c_str()}, 0755); !made && !made.error().is(EEXIST)) return std::move(made).error();
  TRY(sys::fsync(blobs.ref()));
  return sys::open(FileAt{layout, path.c_str()}, O_RDONLY | O_DIRECTORY);
}

Result<void> sync_blob_folders(FdRef layout) {
  for (const auto algorithm : Digest::kAlgorithms) {
    const auto folder = sys::open(FileAt{layout, folder_of(algorithm).c_str()}, O_RDONLY | O_DIRECTORY);
    if (!folder && folder.error().is(ENOENT)) continue;
    if (!folder) return folder.error().clone();
    TRY(sys::fsync(folder->ref()));
  }
  return {};
}

Result<std::vector<Digest>> list_blobs(FdRef layout) {
  TRY(sys::stat(FileAt{layout, "blobs"}));
  std::vector<Digest> blobs;
  for (const auto algorithm : Digest::kAlgorithms) {
    const auto folder = sys::open(FileAt{layout, folder_of(algorithm).c_str()}, O_RDONLY | O_DIRECTORY);
    if (!folder && folder.error().is(ENOENT)) continue;  // a layout of others may lack either
    if (!folder) return folder.error().clone();
    TRY(sys::read_dir(folder->ref(), [&](const sys::DirEntry& entry) {
      if (const auto digest = Digest::from_hex(entry.name); digest && digest->algorithm() == algorithm) blobs.push_back(*digest);
      return true;
    }));
  }
  std::ranges::sort(blobs);
  return blobs;
}

std::vector<std::string> folders_for(const std::vector<Digest>& blobs) {
  std::vector<std::string> folders{"blobs/", folder_of(Digest::Algorithm::sha256) + "/"};
  if (!blobs.empty() && blobs.back().algorithm() == Digest::Algorithm::sha512) folders.push_back(folder_of(Digest::Algorithm::sha512) + "/");
  return folders;
}

}  // namespace acetate::image
