#include "layers/tar/index_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <optional>

#include "base/log.h"
#include "base/scope.h"
#include "base/sys/copy.h"
#include "base/sys/file.h"
#include "base/sys/memory.h"

namespace acetate {

namespace {

constexpr mode_t kIndexMode = 0644;

std::string temporary_name() {
  static std::atomic<unsigned> number = 0;
  return fmt::format(".{}.{}.tmp", ::getpid(), number++);
}

// What is verified whole whenever it is opened is made again where a power cut has left less of it; of a larger one it would be found
// out when somebody is reading.
bool waits_for_disk(FdRef file) {
  const auto st = sys::stat(file);
  return !st || static_cast<std::uint64_t>(st->st_size) > IndexFile::kVerifiedWhole;
}

Result<void> write_and_sync(FdRef file, const IndexStore::Write& write) {
  TRY(write(file));
  return waits_for_disk(file) ? sys::fdatasync(file) : Result<void>();
}

std::string folder_in(const std::string& dir, const Digest& blob) { return fmt::format("{}/{}/{}", dir, name_of(blob.algorithm()), blob.hex().substr(0, 2)); }

// Whom every owner looks like that a user namespace has no id for.
constexpr uid_t kNobody = 65534;

Result<SharedIndex> open_trusted(const std::string& path, const Digest& blob, lix::IndexKind kind, std::string note) {
  SharedIndex shared{.file = TRY(sys::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)), .index = nullptr};
  const auto st = TRY(sys::stat(shared.file.ref()));
  const bool is_trusted = st.st_uid == 0 || (st.st_uid == ::geteuid() && st.st_uid != kNobody);
  if (!is_trusted || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(EPERM, "neither we nor root own it, or others may write it");
  // Without its path, by which a damaged one would be removed.
  shared.index = TRY(LayerIndex::open(shared.file.ref(), "", blob, kind, IndexFile::kVerifiedWhole, std::move(note)));
  return shared;
}

// Gives an unnamed file its name, replacing what stands there.
Result<void> name_file(FdRef file, FdRef folder, const std::string& name) {
  auto linked = sys::link(file, FileAt{folder, name.c_str()});
  if (linked || !linked.error().is(EEXIST)) return linked;
  const std::string temporary = temporary_name();
  TRY(sys::link(file, FileAt{folder, temporary.c_str()}));
  Undo remove{[&] { (void)sys::unlink({folder, temporary.c_str()}); }};
  TRY(sys::rename({folder, temporary.c_str()}, {folder, name.c_str()}));
  remove.release();
  return {};
}

// For file systems without O_TMPFILE.
Result<void> publish_by_rename(FdRef folder, const std::string& name, const IndexStore::Write& write) {
  const std::string temporary = temporary_name();
  const Fd file = TRY(sys::open({folder, temporary.c_str()}, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, kIndexMode));
  Undo remove{[&] { (void)sys::unlink({folder, temporary.c_str()}); }};
  TRY(write_and_sync(file.ref(), write));
  TRY(sys::rename({folder, temporary.c_str()}, {folder, name.c_str()}));
  remove.release();
  return {};
}

}  // namespace

std::string IndexStore::folder_of(const Digest& blob) const { return folder_in(dir_, blob); }

std::string IndexStore::path_of(const Digest& blob) const { return folder_of(blob) + "/" + blob.hex() + ".lix"; }

std::string IndexStore::trace_of(const Digest& blob) const { return folder_of(blob) + "/" + blob.hex() + ".trace"; }

LayerIndexPtr IndexStore::find(const Digest& blob, lix::IndexKind kind) const {
  const std::string path = path_of(blob);
  const auto file = sys::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file) {
    if (!file.error().is(ENOENT))
      log::info("layer index {} cannot be opened: {}", path, file.error().message());
    return find_shared(blob, kind);
  }
  auto index = LayerIndex::open(file->ref(), path, blob, kind);
  if (index) return *std::move(index);
  if (index.error().is(ENOTSUP)) {
    log::info("layer index {} is of another version, making it again", path);
  } else if (index.error().is(EBADMSG)) {
    log::warn("layer index {} is damaged, making it again", path);
  } else {
    log::info("layer index {} cannot be read: {}", path, index.error().message());
  }
  return find_shared(blob, kind);
}

std::string IndexStore::note_of(const Digest& blob) const { return folder_of(blob) + "/" + blob.hex() + ".damaged"; }

// The first that counts.
std::optional<SharedIndex> IndexStore::open_shared(const Digest& blob, lix::IndexKind kind) const {
  if (shared_.empty()) return std::nullopt;
  if (sys::stat_following(note_of(blob))) {
    log::info("shared layer indexes of {} are not used: damage was found in one ({})", blob.str(), note_of(blob));
    return std::nullopt;
  }
  for (const std::string& dir : shared_) {
    const std::string path = folder_in(dir, blob) + "/" + blob.hex() + ".lix";
    auto shared = open_trusted(path, blob, kind, note_of(blob));
    if (shared) return *std::move(shared);
    if (!shared.error().is(ENOENT)) log::info("the shared layer index {} is not used: {}", path, shared.error().message());
  }
  return std::nullopt;
}

LayerIndexPtr IndexStore::find_shared(const Digest& blob, lix::IndexKind kind) const {
  auto shared = open_shared(blob, kind);
  return shared ? std::move(shared->index) : nullptr;
}

Result<void> IndexStore::adopt(const Digest& blob) const {
  if (shared_.empty()) return {};
  if (const auto file = sys::open(path_of(blob), O_RDONLY | O_NOFOLLOW | O_NONBLOCK); file && LayerIndex::open(file->ref(), "", blob, lix::IndexKind::layer))
    return {};
  const auto shared = open_shared(blob, lix::IndexKind::layer);
  if (!shared) return {};
  if (!shared->index->is_whole()) {
    log::warn("a shared layer index of {} is damaged and not used", blob.str());
    return {};
  }
  return publish(blob, [&](FdRef file) { return sys::copy_file(shared->file.ref(), file); });
}

FileLock IndexStore::lock(const Digest& blob) const {
  if (!sys::make_dirs(folder_of(blob), 0700)) return {};
  auto lock = FileLock::take(folder_of(blob) + "/" + blob.hex() + ".lock");
  return lock ? *std::move(lock) : FileLock();
}

Result<void> IndexStore::publish(const Digest& of, const Write& write) const {
  TRY(sys::make_dirs(folder_of(of), 0700));
  const Fd folder = TRY(sys::open(folder_of(of), O_RDONLY | O_DIRECTORY));
  const std::string name = of.hex() + ".lix";
  auto unnamed = sys::open({folder.ref(), "."}, O_RDWR | O_TMPFILE, kIndexMode);
  if (unnamed) {
    TRY(write_and_sync(unnamed->ref(), write));
    TRY(name_file(unnamed->ref(), folder.ref(), name));
  } else {
    if (!unnamed.error().is(EOPNOTSUPP) && !unnamed.error().is(EISDIR) && !unnamed.error().is(EINVAL))
      return std::move(unnamed).error();
    TRY(publish_by_rename(folder.ref(), name, write));
  }
  return {};  // a name that a power cut takes away is an index that is made again
}

Result<LayerIndexPtr> IndexStore::keep(const IndexImage& image) const {
  const auto published = publish(image.blob(), [&](FdRef file) { return image.write(file); });
  if (!published) {
    log::warn("cannot keep a layer index in {} and makes it again each time (make room, or set ACETATE_CACHE to another place): {}",
              dir_, published.error().message());
  } else if (auto index = find(image.blob())) {
    return index;
  }
  return index_in_memory(image);
}

Result<LayerIndexPtr> index_in_memory(const IndexImage& image) {
  const Fd memory = TRY_WITHIN(sys::memory_file("acetate-layer-index"), "making a layer index in memory");
  TRY_WITHIN(image.write(memory.ref()), "making a layer index in memory");
  TRY_WITHIN(sys::seal(memory.ref()), "making a layer index in memory");
  return TRY_WITHIN(LayerIndex::open(memory.ref(), "", image.blob()), "reading the layer index just made");
}

}  // namespace acetate
