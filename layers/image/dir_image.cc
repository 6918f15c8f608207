#include "layers/image/dir_image.h"

#include <fcntl.h>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/new_file.h"
#include "layers/image/image_walk.h"
#include "layers/image/json.h"
#include "layers/image/manifest.h"
#include "layers/image/media_type.h"
#include "layers/image/read_bytes.h"

namespace acetate::image {

namespace {

constexpr const char* kVersion = "Directory Transport Version: 1.1\n";

class DirImageFiles final : public ImageFiles {
 public:
  DirImageFiles(std::string path, Digest top) : path_(std::move(path)), top_(top) {}

  Result<LayerSpec> locate(const std::string& name) const override {
    const auto digest = digest_of_blob_name(name);
    if (!digest) return Error(ENOENT);
    if (*digest == top_) return file("manifest.json");
    const auto hex = digest->hex();
    auto blob = file(hex);
    if (blob || !blob.error().is(ENOENT)) return blob;
    return file(hex + ".manifest.json");
  }
  const std::string& where() const override { return path_; }

 private:
  Result<LayerSpec> file(const std::string& name) const {
    const std::string path = path_ + "/" + name;
    const auto st = TRY(sys::stat_following(path));
    if (!S_ISREG(st.st_mode)) return fail(EINVAL, "{} is not a regular file", path);
    return LayerSpec{.path = path, .length = static_cast<std::uint64_t>(st.st_size)};
  }
  std::string path_;
  Digest top_;
};

Result<std::string> top_text(const std::string& path) {
  auto text = sys::read_file(path + "/manifest.json", kMaxDocument);
  if (!text && text.error().is(ENOENT)) return fail(ENOENT, "{} is not an image in the form \"dir\": it has no manifest.json", path);
  return text;
}

Result<bool> may_be_replaced(const std::string& path) {
  if (sys::stat_following(path + "/version")) return true;
  const Fd dir = TRY(sys::open(path, O_RDONLY | O_DIRECTORY));
  bool empty = true;
  TRY(sys::read_dir(dir.ref(), [&](const sys::DirEntry&) { return empty = false; }));
  return empty;
}

}  // namespace

Result<std::unique_ptr<ImageFiles>> dir_image_files(const std::string& path) {
  const auto digest = Digest::of(TRY(top_text(path)));
  return std::unique_ptr<ImageFiles>(std::make_unique<DirImageFiles>(path, digest));
}

Result<Descriptor> dir_image_target(const std::string& path) {
  const auto text = TRY(top_text(path));
  const auto document = TRY(parse_any_document(text, {}, "manifest.json in " + path));
  const std::string usual(document.index ? kOciIndex : kOciManifest);
  return Descriptor{.media_type = document.media_type.empty() ? usual : document.media_type,
                    .digest = Digest::of(text),
                    .size = text.size()};
}

Result<void> write_dir_image(const ImageFiles& from, const Descriptor& target, const std::string& path) {
  TRY_WITHIN(sys::make_dirs(path, 0755), "making the directory {}", path);
  if (!TRY_WITHIN(may_be_replaced(path), "looking at {}", path))
    return fail(EEXIST, "{} is neither empty nor an image in the form \"dir\"", path);
  TRY_WITHIN(sys::write_file_atomically(FileAt{kWorkingDir, (path + "/version").c_str()}, kVersion, 0644),
             "writing {}/version", path);
  return walk_image(from, target, [&](const ImagePart& part) -> Result<void> {
    if (part.is_absent) return {};
    const auto& digest = part.descriptor.digest;
    if (!part.text.empty()) {
      const auto name = path + (digest == target.digest ? "/manifest.json" : "/" + digest.hex() + ".manifest.json");
      return TRY_WITHIN(sys::write_file_atomically(FileAt{kWorkingDir, name.c_str()}, part.text, 0644), "writing {}", name);
    }
    const auto name = path + "/" + digest.hex();
    auto file = TRY_WITHIN(sys::NewFile::make(name, 0644), "writing {}", name);
    Hasher hash(digest.algorithm());
    TRY_WITHIN(read_bytes(TRY(locate_blob(from, part.descriptor)),
                          [&](std::span<const std::byte> bytes) {
                            hash.update(bytes);
                            return sys::write_full(file.ref(), bytes);
                          }),
               "writing {}", name);
    if (hash.finish() != digest)
      return fail(EBADMSG, "the blob {} in {} is damaged or not what it says", digest.str(), from.where());
    return TRY_WITHIN(file.commit(), "writing {}", name);
  });
}

}  // namespace acetate::image
