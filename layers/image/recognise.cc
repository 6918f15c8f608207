#include "layers/image/recognise.h"

#include <fcntl.h>

#include <algorithm>

#include "base/digest.h"
#include "base/sys/file.h"
#include "layers/tar/archive_members.h"

namespace acetate::image {

namespace {

Result<bool> has_file(const std::string& dir, const char* name) {
  const auto st = sys::stat_following(dir + "/" + name);
  if (!st && (st.error().is(ENOENT) || st.error().is(ENOTDIR))) return false;
  if (!st) return st.error().clone().within(fmt::format("looking at {}/{}", dir, name));
  return S_ISREG(st->st_mode);
}

Result<Kind> recognise_directory(const std::string& path) {
  if (TRY(has_file(path, "oci-layout"))) return Kind::oci_layout;
  if (TRY(has_file(path, "version")) && TRY(has_file(path, "manifest.json")))
    return fail(ENOTSUP,
                "{} is a skopeo \"dir\", which keeps no names for its blobs; convert it: skopeo copy dir:{} "
                "oci:OTHER",
                path, path);
  return Kind::directory;
}

Result<Kind> recognise_compressed(FdRef file, const std::string& path, const std::string& compression) {
  const auto first = first_member(file, path);
  if (first && begins_image_archive(*first))
    return fail(
        EINVAL,
        "{} is an image archive compressed as a whole ({}), and layers are read where they lie; decompress "
        "it first, for instance with {} -d",
        path, compression, compression);
  // What is damaged or no tarball at all is told by whoever indexes it, who knows more about where.
  return Kind::tarball;
}

Result<Kind> recognise_file(const std::string& path) {
  const Fd file = TRY_WITHIN(sys::open(path, O_RDONLY | O_NONBLOCK), "opening {}", path);
  if (const auto compression = TRY_WITHIN(compression_of(file.ref()), "reading {}", path))
    return recognise_compressed(file.ref(), path, *compression);
  bool oci = false, docker = false;
  const auto look = [&](std::string_view name) {
    oci = oci || name == "oci-layout";
    docker = docker || name == "manifest.json";
    return !oci && !belongs_to_rootfs(name);
  };
  TRY(ArchiveMembers::read(file.ref(), path, look));
  if (oci) return Kind::oci_archive;
  return docker ? Kind::docker_archive : Kind::tarball;
}

}  // namespace

bool belongs_to_rootfs(std::string_view name) {
  constexpr std::string_view usual[] = {"bin",   "boot",   "dev",   "etc", "home", "lib",  "lib32",
                                        "lib64", "libx32", "media", "mnt", "opt",  "proc", "root",
                                        "run",   "sbin",   "srv",   "sys", "tmp",  "usr",  "var"};
  const auto first = name.substr(0, name.find('/'));
  return std::ranges::find(usual, first) != std::end(usual) || first.starts_with(".wh.");
}

bool begins_image_archive(std::string_view name) {
  constexpr std::string_view usual[] = {"oci-layout",   "index.json", "manifest.json", "repositories",
                                        "blobs",        "blobs/sha256", "blobs/sha512"};
  if (std::ranges::find(usual, name) != std::end(usual) || name.starts_with("blobs/sha256/") || name.starts_with("blobs/sha512/"))
    return true;
  if (name.starts_with("sha256:")) name.remove_prefix(7);
  return Digest::from_hex(name.substr(0, name.find_first_of("./"))).has_value();
}

Result<Kind> recognise(const std::string& path) {
  const auto st = TRY(sys::stat_following(path));
  if (S_ISDIR(st.st_mode)) return recognise_directory(path);
  if (S_ISREG(st.st_mode)) return recognise_file(path);
  return fail(EINVAL, "{} is neither a directory nor a file", path);
}

}  // namespace acetate::image
