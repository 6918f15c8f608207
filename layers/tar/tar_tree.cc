#include "layers/tar/tar_tree.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/seed.h"
#include "layers/tar/visible_xattrs.h"
#include "layers/whiteout.h"

namespace acetate {

namespace {

std::uint32_t name_hash(std::uint32_t parent, std::string_view text) noexcept {
  return lix::name_hash(process_seed(), parent, text);
}

bool is_ordinary(std::string_view component) noexcept {
  return decode_name(component).kind == DecodedName::Kind::ordinary;
}

}  // namespace

TarTree::TarTree(const TarLimits& limits) : limits_(limits) { (void)make_dir(); }

Result<void> TarTree::add(const TarEntry& entry) {
  TRY(check_limits(entry));
  const auto parsed = RelPath::parse(entry.path);
  if (!parsed) return fail(EINVAL, "its name leads out of the layer or is none");
  const RelPath& path = *parsed;
  if (path.is_root()) {
    // Some archives begin with an empty file without a name, which every unpacker passes over.
    if (S_ISREG(entry.mode) && !entry.hardlink) return {};
    if (!S_ISDIR(entry.mode) || entry.hardlink) return fail(EINVAL, "the root of a layer must be a directory");
    return fill(objects_[kRoot], entry);
  }

  const std::uint32_t parent = TRY(parent_of(path));
  const DecodedName decoded = decode_name(path.name());
  if (decoded.kind == DecodedName::Kind::opaque) {
    objects_[parent].flags |= lix::kOpaque;
    return {};
  }
  if (decoded.kind == DecodedName::Kind::whiteout) return put_whiteout(parent, decoded.hides);
  if (!entry.hardlink && is_device_whiteout(entry.mode, entry.rdev)) {
    const std::uint32_t name = make_name(parent, path.name());
    point(name, kNone);
    names_[name].whiteout = true;
    return {};
  }

  const std::uint32_t name = make_name(parent, path.name());
  if (decoded.kind == DecodedName::Kind::bookkeeping) names_[name].hidden = true;
  return entry.hardlink ? put_hardlink(name, *entry.hardlink) : put(name, entry);
}

Result<void> TarTree::check_limits(const TarEntry& entry) {
  if (++entries_ > limits_.entries) return fail(EFBIG, "the tar has more than {} entries", limits_.entries);
  if (entry.path.size() > limits_.path_bytes)
    return fail(EFBIG, "its name is {} bytes long, at most {} are allowed", entry.path.size(), limits_.path_bytes);
  if (entry.symlink.size() > limits_.symlink_bytes)
    return fail(EFBIG, "its symlink target is {} bytes long, at most {} are allowed", entry.symlink.size(),
                limits_.symlink_bytes);
  if (entry.hardlink && entry.hardlink->size() > limits_.path_bytes)
    return fail(EFBIG, "its link target is {} bytes long, at most {} are allowed", entry.hardlink->size(),
                limits_.path_bytes);
  if (entry.xattrs.size() > limits_.xattrs_per_entry)
    return fail(EFBIG, "it has {} extended attributes, at most {} are allowed", entry.xattrs.size(),
                limits_.xattrs_per_entry);
  for (const Xattr& xattr : entry.xattrs) {
    if (xattr.name.empty() || xattr.name.size() > limits_.xattr_name_bytes ||
        xattr.name.find('\0') != std::string::npos)
      return fail(EFBIG, "it has an extended attribute with a name of {} bytes, 1 to {} without NUL are allowed",
                  xattr.name.size(), limits_.xattr_name_bytes);
    if (xattr.value.size() > limits_.xattr_value_bytes)
      return fail(EFBIG, "its extended attribute {} has {} bytes, at most {} are allowed", xattr.name,
                  xattr.value.size(), limits_.xattr_value_bytes);
  }
  if (memory_used() > limits_.metadata_bytes)
    return fail(EFBIG, "names and attributes of the tar take more than {} bytes", limits_.metadata_bytes);
  return {};
}

std::uint64_t TarTree::memory_used() const noexcept {
  return objects_.size() * sizeof(Object) + names_.size() * sizeof(Name) + extents_.size() * sizeof(lix::Extent) +
         strings_.bytes().size() + xattrs_.bytes().size();
}

std::uint32_t TarTree::make_dir() {
  Object dir;
  dir.mode = S_IFDIR | 0755;
  dir.flags = lix::kImplied;
  objects_.push_back(dir);
  return static_cast<std::uint32_t>(objects_.size() - 1);
}

// Makes what is missing on the way.
Result<std::uint32_t> TarTree::parent_of(const RelPath& path) {
  const std::string_view whole = path.str();
  const std::size_t slash = whole.rfind('/');
  const std::string_view parent_path = slash == std::string_view::npos ? "" : whole.substr(0, slash);
  const auto too_long = [&](std::string_view component) { return component.size() > limits_.name_bytes; };
  if (too_long(path.name())) return fail(EFBIG, "its name has a component of more than {} bytes", limits_.name_bytes);
  if (parent_path == last_parent_path_) return last_parent_;

  std::uint32_t dir = kRoot;
  for (std::string_view rest = parent_path; !rest.empty();) {
    const std::string_view component = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(component.size() + 1, rest.size()));
    if (too_long(component)) return fail(EFBIG, "its name has a component of more than {} bytes", limits_.name_bytes);
    const std::uint32_t name = make_name(dir, component);
    // What lies below a name of the whiteout dialect cannot be shown; below AUFS's own it may be linked to.
    if (!is_ordinary(component)) names_[name].hidden = true;
    if (names_[name].object == kNone || !objects_[names_[name].object].is_dir()) point(name, make_dir());
    dir = names_[name].object;
  }
  last_parent_path_ = parent_path;
  last_parent_ = dir;
  return dir;
}

std::optional<std::uint32_t> TarTree::find_name(std::uint32_t parent, std::string_view text) const {
  return by_name_.find(name_hash(parent, text), [&](std::uint32_t i) {
    return names_[i].parent == parent && view(names_[i].text) == text;
  });
}

std::uint32_t TarTree::make_name(std::uint32_t parent, std::string_view text) {
  if (const auto known = find_name(parent, text)) return *known;
  const auto made = static_cast<std::uint32_t>(names_.size());
  names_.push_back({.parent = parent, .text = strings_.intern(text)});
  by_name_.insert(name_hash(parent, text), made);
  return made;
}

std::optional<std::uint32_t> TarTree::find_path(const RelPath& path) const {
  std::uint32_t dir = kRoot;
  std::optional<std::uint32_t> name;
  for (const std::string_view component : path.components()) {
    if (name) {
      const std::uint32_t object = names_[*name].object;
      if (object == kNone || !objects_[object].is_dir()) return std::nullopt;
      dir = object;
    }
    name = find_name(dir, component);
    if (!name) return std::nullopt;
  }
  return name;
}

// The name stands for another object from now on; what was below the old one cannot be reached any more.
void TarTree::point(std::uint32_t name, std::uint32_t object) {
  const std::uint32_t before = std::exchange(names_[name].object, object);
  if (before == kNone || !objects_[before].is_dir()) return;
  last_parent_path_.clear();
  last_parent_ = kRoot;
}

Result<void> TarTree::put_whiteout(std::uint32_t parent, std::string_view hides) {
  if (!RelPath::is_name(hides)) return fail(EINVAL, "it is a whiteout of no name");
  names_[make_name(parent, hides)].whiteout = true;
  return {};
}

Result<void> TarTree::put(std::uint32_t name, const TarEntry& entry) {
  const std::uint32_t there = names_[name].object;
  if (S_ISDIR(entry.mode) && there != kNone && objects_[there].is_dir()) return fill(objects_[there], entry);
  Object object;
  TRY(fill(object, entry));
  objects_.push_back(object);
  point(name, static_cast<std::uint32_t>(objects_.size() - 1));
  return {};
}

Result<void> TarTree::fill(Object& object, const TarEntry& entry) {
  object.mode = entry.mode & (S_IFMT | 07777);
  object.uid = entry.uid;
  object.gid = entry.gid;
  object.mtime = entry.mtime.tv_sec;
  object.mtime_ns = static_cast<std::uint32_t>(entry.mtime.tv_nsec);
  object.flags &= ~std::uint32_t{lix::kImplied};
  object.xattrs = store_xattrs(entry.xattrs, object);
  if (S_ISREG(entry.mode)) {
    object.size = entry.size;
    object.data = entry.data;
    if (entry.sparse) {
      object.flags |= lix::kSparse;
      object.data = extents_.size();
      object.extent_count = static_cast<std::uint32_t>(entry.extents.size());
      extents_.insert(extents_.end(), entry.extents.begin(), entry.extents.end());
    }
  } else if (S_ISLNK(entry.mode)) {
    if (entry.symlink.empty() || entry.symlink.find('\0') != std::string::npos)
      return fail(EINVAL, "it is a symlink to nowhere");
    object.size = entry.symlink.size();
    object.text = strings_.intern(entry.symlink);
  } else if (S_ISCHR(entry.mode) || S_ISBLK(entry.mode)) {
    object.data = entry.rdev;
  }
  return {};
}

// As docs/layer-index.md has a list of xattrs. Overlays' own are understood here and then dropped: nobody above
// a layer sees them.
std::uint32_t TarTree::store_xattrs(const std::vector<Xattr>& all, Object& object) {
  const VisibleXattrs visible = visible_xattrs(all);
  if (visible.opaque) object.flags |= lix::kOpaque;
  if (visible.xattrs.empty()) return 0;
  ByteWriter list;
  list.put(static_cast<std::uint32_t>(visible.xattrs.size()));
  for (const Xattr& xattr : visible.xattrs) {
    list.put(static_cast<std::uint32_t>(xattr.name.size()));
    list.put(static_cast<std::uint32_t>(xattr.value.size()));
    list.put(std::string_view(xattr.name));
    list.put(std::string_view(xattr.value));
  }
  return 1 + xattrs_.intern(as_text(list.bytes())).at / 8;
}

}  // namespace acetate
