#include "layers/image/layout_index.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cctype>

#include "base/sys/file.h"
#include "layers/image/blob_folders.h"
#include "layers/image/json.h"

namespace acetate::image {

Result<LayoutLock> LayoutLock::take(const std::string& dir) {
  Fd fd = TRY_WITHIN(sys::open(dir, O_RDONLY | O_DIRECTORY), "opening {}", dir);
  TRY_WITHIN(sys::flock(fd.ref(), LOCK_EX), "locking {}", dir);
  return LayoutLock(std::move(fd));
}

Result<void> edit_index(FdRef dir, const std::string& path,
                        const std::function<Result<bool>(Json& manifests)>& edit) {
  const auto lock = TRY(LayoutLock::take(path));
  const std::string what = "index.json in " + path;
  const auto text = TRY_WITHIN(sys::read_file(path + "/index.json", kMaxDocument), "reading {}", what);
  Json index = TRY(parse_json(text, what));
  TRY(parse_index(text, what));  // so that what we write back is one
  if (!TRY(edit(index["manifests"]))) return {};
  const auto changed = write_json(index);
  if (changed.size() > kMaxDocument)
    return fail(EFBIG, "{} would become longer than {} bytes; remove images first", what, kMaxDocument);
  // Once for all blobs that came since, and not with each: a name must stand for a whole image after a power cut, too.
  TRY_WITHIN(sync_blob_folders(dir), "publishing the blobs in {}", path);
  return TRY_WITHIN(sys::write_file_atomically(FileAt{dir, "index.json"}, changed, 0644), "writing {}", what);
}

std::string name_of(const IndexEntry& entry) {
  for (const char* key : {kContainerdName, kRefName})
    if (const auto found = entry.annotations.find(key); found != entry.annotations.end() && !found->second.empty())
      return found->second;
  return {};
}

std::string name_of(const Json& entry) {
  if (!entry.is_object()) return {};
  const auto annotations = entry.find("annotations");
  if (annotations == entry.end() || !annotations->is_object()) return {};
  for (const char* key : {kContainerdName, kRefName})
    if (const auto found = annotations->find(key); found != annotations->end() && found->is_string())
      return found->get<std::string>();
  return {};
}

bool is_reference_name(std::string_view tag) {
  const auto fits = [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("-._:@+/").find(static_cast<char>(c)) != std::string_view::npos;
  };
  return !tag.empty() && std::ranges::all_of(tag, fits);
}

}  // namespace acetate::image
