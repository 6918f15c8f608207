#include "cli/image_source.h"

#include <fcntl.h>

#include <algorithm>
#include <filesystem>

#include "base/sys/file.h"
#include "cli/store_place.h"
#include "layers/image/names_meant.h"
#include "layers/registry/signature_policy.h"
#include "layers/stream/first_pass.h"
#include "layers/tar/archive_members.h"

namespace acetate::cli {

namespace {

constexpr std::size_t kPiece = 1 << 20;

Result<void> write_stream(std::istream& in, FdRef out) {
  std::vector<char> buffer(kPiece);
  while (in.good()) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    const auto got = static_cast<std::size_t>(in.gcount());
    TRY(sys::write_full(out, std::as_bytes(std::span(buffer).first(got))));
  }
  return in.bad() ? Result<void>(Error(EIO)) : Result<void>();
}

Result<void> unpack(const std::string& from, FdRef out) {
  Fd file = TRY_WITHIN(sys::open(from, O_RDONLY), "opening {}", from);
  auto pass = TRY_WITHIN(FirstPass::open(TRY(file_source(std::move(file)))), "{}", from);
  std::vector<std::byte> buffer(kPiece);
  for (;;) {
    const auto got = TRY_WITHIN(pass.read(buffer), "unpacking {}", from);
    if (got == 0) break;
    TRY(sys::write_full(out, std::span(buffer).first(got)));
  }
  TRY_WITHIN(pass.finish(), "unpacking {}", from);  // checksums at the end
  return {};
}

Result<std::string> compression(const std::string& path) {
  const auto st = TRY_WITHIN(sys::stat_following(path), "opening {}", path);
  if (!S_ISREG(st.st_mode)) return std::string();
  const Fd file = TRY_WITHIN(sys::open(path, O_RDONLY | O_NONBLOCK), "opening {}", path);
  return TRY_WITHIN(compression_of(file.ref()), "reading {}", path).value_or("");
}

Result<void> need_scratch(const Paths& paths, OpenedImages& opened) {
  if (!opened.scratch) opened.scratch = TRY(sandbox::Scratch::make(paths.data + "/scratch"));
  return {};
}

// As podman asks it of what is loaded or copied; `typed` is what people know it by.
Result<void> check_policy(const std::string& typed, const image::ImageSource& source) {
  const bool has_scopes = source.kind != image::PlaceKind::docker_archive;
  const auto policy = TRY(registry::SignaturePolicy::load(registry::process_environment));
  return TRY_WITHIN(policy.check(image::transport_of(source.kind),
                                 has_scopes ? registry::policy_scopes(std::filesystem::weakly_canonical(typed).string()) : std::vector<std::string>()),
                    "{}", typed);
}

Result<OpenedImages> open_path(const Paths& paths, const std::string& typed, image::PlaceKind kind,
                               const std::optional<std::string>& name, OpenedImages opened = {}) {
  std::string path = typed;
  if (!TRY(compression(path)).empty()) {
    TRY(need_scratch(paths, opened));
    const auto plain = opened.scratch->path() + "/archive.tar";
    const Fd out = TRY_WITHIN(sys::open(plain, O_WRONLY | O_CREAT | O_EXCL, 0600), "writing {}", plain);
    TRY(unpack(path, out.ref()));
    path = plain;
  }
  opened.source = TRY(image::open_image_source(path, kind, name));
  TRY(check_policy(typed, opened.source));
  opened.files = opened.source.files.get();
  opened.images = opened.source.images;
  if (!opened.source.is_docker) return opened;
  // Manifests are made on the way into a layout, which then is what is read.
  TRY(need_scratch(paths, opened));
  const auto dir = opened.scratch->path() + "/layout";
  const auto layout = TRY(image::Layout::open(dir));
  opened.images = TRY(image::copy_docker_archive(*opened.source.files, *layout, name));
  opened.source.files = TRY(image::directory_files(dir));
  opened.files = opened.source.files.get();
  return opened;
}

}  // namespace

Result<OpenedImages> open_images(const Paths& paths, const image::ImagePlace& place) {
  if (place.kind == image::PlaceKind::registry)
    return fail(ENOTSUP, "{} is in a registry; pull it first: acetate pull {}", place.where, place.where);
  if (place.kind != image::PlaceKind::store) return open_path(paths, place.where, place.kind, place.name);
  OpenedImages opened;
  const auto ours = TRY(store_place(paths));
  opened.store = TRY(image::ImageStore::open_to_read(ours));
  const auto stored = TRY(opened.store->find(place.where));
  opened.files = &opened.store->files(stored);
  image::NamedImage image{.target = stored.target};
  // A name that was typed is the one it goes by; by its id it goes by all.
  for (const auto& name : stored.names) image.names.push_back(name.str());
  if (const auto meant = image::names_meant(place.where, ours))
    if (const auto typed = std::ranges::find_first_of(*meant, stored.names); typed != meant->end()) image.names = {typed->str()};
  opened.images.push_back(std::move(image));
  return opened;
}

Result<OpenedImages> open_archive(const Paths& paths, const std::string& path, std::istream& in) {
  if (!path.empty() && path != "-") return open_path(paths, path, image::PlaceKind::store, std::nullopt);
  OpenedImages opened;
  TRY(need_scratch(paths, opened));
  const auto spooled = opened.scratch->path() + "/stdin.tar";
  {
    const Fd out = TRY_WITHIN(sys::open(spooled, O_WRONLY | O_CREAT | O_EXCL, 0600), "writing {}", spooled);
    TRY_WITHIN(write_stream(in, out.ref()), "reading standard input into {}", spooled);
  }
  return open_path(paths, spooled, image::PlaceKind::store, std::nullopt, std::move(opened));
}

}  // namespace acetate::cli
