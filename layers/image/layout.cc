#include "layers/image/layout.h"

#include <fcntl.h>
#include <sys/file.h>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "layers/image/blob_writer.h"
#include "layers/image/image_walk.h"
#include "layers/image/json.h"
#include "layers/image/layout_index.h"
#include "layers/image/reference.h"

namespace acetate::image {

namespace {

// Whether setting `tag` to `digest` makes an entry of index.json superfluous.
bool is_replaced(const Json& entry, const std::string& tag, const Digest& digest) {
  if (!entry.is_object()) return false;
  const auto annotations = entry.find("annotations");
  const bool unnamed = annotations == entry.end() || !annotations->is_object() || annotations->empty();
  if (unnamed) return entry.value("digest", Json()) == digest.str();
  const auto name = annotations->find(kRefName);
  return name != annotations->end() && *name == tag;
}

class DirectoryLayout final : public Layout {
 public:
  DirectoryLayout(std::string path, Fd dir) : path_(std::move(path)), dir_(std::move(dir)) {}

  using Layout::new_blob;
  using Layout::put_blob;
  Result<std::unique_ptr<BlobWriter>> new_blob(const std::optional<Descriptor>& expected) override {
    return TRY_WITHIN(new_blob_writer(dir_.ref(), expected), "{}", path_);
  }

  Result<Descriptor> put_blob(std::string_view bytes, std::string media_type, Digest::Algorithm algorithm) override {
    const auto writer = TRY(new_blob());
    TRY(writer->hash_by(algorithm));
    TRY_WITHIN(writer->write(std::as_bytes(std::span(bytes))), "writing a blob to {}", path_);
    return TRY_WITHIN(writer->commit(std::move(media_type)), "{}", path_);
  }

  Result<bool> has_blob(const Digest& digest) const override {
    const auto st = sys::stat(FileAt{dir_.ref(), blob_name(digest).c_str()});
    if (!st && st.error().is(ENOENT)) return false;
    if (!st) return st.error().clone().within(fmt::format("looking for {} in {}", digest.str(), path_));
    return S_ISREG(st->st_mode);
  }

  std::string blob_path(const Digest& digest) const override { return path_ + "/" + blob_name(digest); }

  Result<void> set_reference(const std::string& tag, const Descriptor& manifest) override {
    if (!is_reference_name(tag)) return fail(EINVAL, "\"{}\" cannot be the name of an image", tag);
    // A reference is a promise that the image is there.
    TRY(walk_image(*TRY(directory_files(path_)), manifest, [](const ImagePart&) { return Result<void>(); }));
    return edit_index(dir_.ref(), path_, [&](Json& entries) -> Result<bool> {
      Json kept = Json::array();
      for (auto& entry : entries)
        if (!is_replaced(entry, tag, manifest.digest)) kept.push_back(std::move(entry));
      Json annotations{{kRefName, tag}};
      // A whole name, and not a mere tag of this layout, stands where docker and containerd look, too.
      if (const auto reference = parse_reference(tag); reference && tag.find_first_of("/:") != std::string::npos)
        annotations[kContainerdName] = reference->str();
      kept.push_back({{"mediaType", manifest.media_type},
                      {"digest", manifest.digest.str()},
                      {"size", manifest.size},
                      {"annotations", std::move(annotations)}});
      entries = std::move(kept);
      return true;
    });
  }

 private:
  std::string path_;
  Fd dir_;
};

Result<bool> is_empty(FdRef dir) {
  bool empty = true;
  TRY(sys::read_dir(dir, [&](const sys::DirEntry&) { return empty = false; }));
  return empty;
}

Result<void> make_layout(FdRef dir) {
  for (const char* name : {"blobs", "blobs/sha256"})
    if (auto made = sys::mkdir(FileAt{dir, name}, 0755); !made && !made.error().is(EEXIST))
      return std::move(made).error();
  if (const auto there = sys::stat(FileAt{dir, "index.json"}); !there) {
    if (!there.error().is(ENOENT)) return there.error().clone();
    TRY(sys::write_file_atomically(FileAt{dir, "index.json"}, to_json(Index{}), 0644));
  }
  // Last: what has this file is a whole layout.
  return sys::write_file_atomically(FileAt{dir, "oci-layout"}, R"({"imageLayoutVersion":"1.0.0"})", 0644);
}

}  // namespace

Result<std::unique_ptr<Layout>> Layout::open(const std::string& path) {
  TRY_WITHIN(sys::make_dirs(path, 0755), "making the directory {}", path);
  Fd dir = TRY_WITHIN(sys::open(path, O_RDONLY | O_DIRECTORY), "opening {}", path);
  const auto lock = TRY(LayoutLock::take(path));
  const auto marker = sys::stat(FileAt{dir.ref(), "oci-layout"});
  if (!marker && !marker.error().is(ENOENT)) return marker.error().clone().within("looking at " + path);
  if (!marker) {
    // What an interrupted make_layout() left is nobody else's: "blobs" or index.json without oci-layout.
    const bool begun = sys::stat(FileAt{dir.ref(), "blobs/sha256"}).has_value();
    if (!begun && !TRY_WITHIN(is_empty(dir.ref()), "reading {}", path))
      return fail(EEXIST, "{} is neither empty nor an OCI image layout", path);
    TRY_WITHIN(make_layout(dir.ref()), "making {} an OCI image layout", path);
  }
  TRY_WITHIN(remove_abandoned_blobs(dir.ref()), "cleaning up in {}", path);
  return std::unique_ptr<Layout>(std::make_unique<DirectoryLayout>(path, std::move(dir)));
}

}  // namespace acetate::image
