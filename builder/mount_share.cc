#include "builder/mount_share.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <vector>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/new_file.h"
#include "builder/cache_mount.h"
#include "builder/export_tree.h"

namespace acetate::build {

namespace {

constexpr std::string_view kEnding = ".tar";
constexpr TimeRule kAsTheyAre{.kind = TimeRule::Kind::keep};

Result<void> unpack(const LayerPtr& tree, const std::string& dir, bool owners) {
  TRY(write_tree_dir(tree, kAsTheyAre, dir, owners));
  const Attr root = TRY(tree->attr(tree->root()));
  if (owners) TRY(sys::chown({kWorkingDir, dir.c_str()}, root.uid, root.gid));
  return sys::chmod(TRY(sys::open(dir, O_RDONLY | O_DIRECTORY)).ref(), root.mode & (owners ? 07777 : 01777));
}

}  // namespace

std::string mount_path(const std::string& dir, const Digest& id) { return fmt::format("{}/mounts/{}{}", dir, id.hex(), kEnding); }

Result<std::vector<Digest>> mounts_in(const std::string& dir) {
  const std::string path = dir + "/mounts";
  std::vector<Digest> ids;
  const auto opened = sys::open(path, O_RDONLY | O_DIRECTORY);
  if (!opened && opened.error().is(ENOENT)) return ids;
  if (!opened) return opened.error().clone().within("opening " + path);
  TRY(sys::read_dir(opened->ref(), [&](const sys::DirEntry& entry) {
    const std::string_view name = entry.name;
    if (!name.ends_with(kEnding)) return true;
    if (const auto id = Digest::parse(fmt::format("sha256:{}", name.substr(0, name.size() - kEnding.size())))) ids.push_back(*id);
    return true;
  }));
  return ids;
}

Result<void> export_mounts(const std::set<std::string>& ids, const std::string& build_dir, LayerOpener& layers, const std::string& dir) {
  if (!ids.empty()) TRY_WITHIN(sys::make_dirs(dir + "/mounts", 0755), "making {}", dir);
  for (const std::string& id : ids) {
    const CacheMount mount = TRY(CacheMount::open(build_dir, id, dockerfile::Mount::Sharing::locked));
    const LayerPtr tree = TRY_WITHIN(layers.open({.path = mount.dir()}), "reading the cache mount {}", id);
    auto file = TRY(sys::NewFile::make(mount_path(dir, Digest::of(id)), 0644));
    TRY_WITHIN(write_tree_tar({{.tree = tree}}, kAsTheyAre, file.ref()), "writing the cache mount {} to {}", id, dir);
    TRY(file.commit());
  }
  return {};
}

Result<std::size_t> import_mounts(const std::string& build_dir, LayerOpener& layers, const std::string& dir, bool owners) {
  std::size_t made = 0;
  for (const Digest& id : TRY(mounts_in(dir))) {
    const std::string path = mount_path(dir, id);
    const auto filled = TRY_WITHIN(CacheMount::fill(build_dir, id, [&](const std::string& into) -> Result<void> {
      return unpack(TRY(layers.open({.path = path})), into, owners);
    }), "the cache mount in {}", path);
    made += filled ? 1 : 0;
  }
  return made;
}

}  // namespace acetate::build
