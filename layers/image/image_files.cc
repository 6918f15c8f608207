#include "layers/image/image_files.h"

#include <fcntl.h>

#include "base/sys/file.h"
#include "layers/image/json.h"
#include "layers/image/read_bytes.h"
#include "layers/tar/archive_members.h"

namespace acetate::image {

namespace {

// Never waits for the other end of a FIFO that somebody put where a blob should be.
Result<Fd> open_to_read(const std::string& path) { return sys::open(path, O_RDONLY | O_NONBLOCK); }

class DirectoryFiles final : public ImageFiles {
 public:
  explicit DirectoryFiles(std::string path) : path_(std::move(path)) {}

  // Symlinks are followed: build tools lay their layouts out as links into a store of theirs. Documents and
  // layers are known by their digests, so a link to elsewhere gains nobody anything.
  Result<LayerSpec> locate(const std::string& name) const override {
    const std::string path = path_ + "/" + name;
    const auto st = TRY(sys::stat_following(path));
    if (!S_ISREG(st.st_mode)) return fail(EINVAL, "{} is not a regular file", path);
    return LayerSpec{.path = path, .offset = 0, .length = static_cast<std::uint64_t>(st.st_size)};
  }
  const std::string& where() const override { return path_; }

 private:
  std::string path_;
};

class ArchiveFiles final : public ImageFiles {
 public:
  ArchiveFiles(std::string path, ArchiveMembers members)
      : path_(std::move(path)), members_(std::move(members)) {}

  Result<LayerSpec> locate(const std::string& name) const override {
    const auto bytes = TRY(members_.find(name));
    return LayerSpec{.path = path_, .offset = bytes.offset, .length = bytes.length};
  }
  const std::string& where() const override { return path_; }

 private:
  std::string path_;
  ArchiveMembers members_;
};

Error missing(const ImageFiles& files, const Descriptor& descriptor) {
  return fail(ENOENT, "{} has no blob {}; the image is incomplete", files.where(), descriptor.digest.str());
}

}  // namespace

Result<std::unique_ptr<ImageFiles>> directory_files(const std::string& path) {
  return std::unique_ptr<ImageFiles>(std::make_unique<DirectoryFiles>(path));
}

Result<std::unique_ptr<ImageFiles>> archive_files(const std::string& path) {
  const Fd file = TRY_WITHIN(open_to_read(path), "opening {}", path);
  if (const auto compression = TRY_WITHIN(compression_of(file.ref()), "reading {}", path))
    return fail(
        EINVAL,
        "{} is compressed as a whole ({}), and layers are read where they lie; decompress it first, for "
        "instance with {} -d",
        path, *compression, *compression);
  auto members = TRY(ArchiveMembers::read(file.ref(), path));
  return std::unique_ptr<ImageFiles>(std::make_unique<ArchiveFiles>(path, std::move(members)));
}

Result<std::string> read_document(const ImageFiles& files, const std::string& name) {
  const auto spec = TRY(files.locate(name));
  const std::string what = fmt::format("{} in {}", name, files.where());
  if (*spec.length > kMaxDocument)
    return fail(EFBIG, "{} is {} bytes long; no document of an image is longer than {}", what, *spec.length,
                kMaxDocument);
  const Fd file = TRY_WITHIN(open_to_read(spec.path), "opening {}", what);
  std::string text(*spec.length, '\0');
  const auto got = TRY_WITHIN(
      sys::pread_full(file.ref(), std::as_writable_bytes(std::span(text)), spec.offset), "reading {}", what);
  if (got < text.size()) return fail(EIO, "{} became shorter while it was read", what);
  return text;
}

Result<std::string> read_blob(const ImageFiles& files, const Descriptor& descriptor) {
  auto text = read_document(files, blob_name(descriptor.digest));
  if (!text) return text.error().is(ENOENT) ? missing(files, descriptor) : std::move(text).error();
  if (text->size() != descriptor.size)
    return fail(EBADMSG, "the blob {} in {} has {} bytes and should have {}", descriptor.digest.str(),
                files.where(), text->size(), descriptor.size);
  if (const auto found = Digest::of(*text, descriptor.digest.algorithm()); found != descriptor.digest)
    return fail(EBADMSG, "the blob {} in {} is damaged or not what it says: its digest is {}",
                descriptor.digest.str(), files.where(), found.str());
  return text;
}

Result<LayerSpec> locate_blob(const ImageFiles& files, const Descriptor& descriptor) {
  auto spec = files.locate(blob_name(descriptor.digest));
  if (!spec) return spec.error().is(ENOENT) ? missing(files, descriptor) : std::move(spec).error();
  if (*spec->length != descriptor.size)
    return fail(EBADMSG, "the layer {} in {} has {} bytes and should have {}", descriptor.digest.str(),
                files.where(), *spec->length, descriptor.size);
  spec->digest = descriptor.digest;
  return spec;
}

Result<void> copy_bytes(const LayerSpec& spec, BlobWriter& out) {
  return read_bytes(spec, [&](std::span<const std::byte> part) { return out.write(part); });
}

std::string blob_name(const Digest& digest) { return fmt::format("blobs/{}/{}", name_of(digest.algorithm()), digest.hex()); }

std::optional<Digest> digest_of_blob_name(std::string_view name) {
  const auto digest = Digest::from_hex(name.substr(name.rfind('/') + 1));
  return digest && blob_name(*digest) == name ? digest : std::nullopt;
}

Result<std::string> compression_at(const LayerSpec& spec) {
  const Fd file = TRY_WITHIN(open_to_read(spec.path), "opening {}", spec.path);
  const auto found = TRY_WITHIN(compression_of(file.ref(), spec.offset), "reading {}", spec.path);
  return found.value_or("");
}

}  // namespace acetate::image
