#include "tests/fs/overlay_fixture.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "layers/stack.h"
#include "layers/whiteout.h"

namespace acetate::fs {

namespace {

LayerPtr stack_of(std::vector<MemoryEntry> entries) {
  auto memory = make_memory_layer(std::move(entries));
  EXPECT_TRUE(memory) << memory.error().message();
  auto stack = make_stack({*std::move(memory)});
  EXPECT_TRUE(stack) << stack.error().message();
  return *std::move(stack);
}

std::string word_for(const Fd& parent, const std::string& name, const struct stat& st) {
  const FileAt at{parent.ref(), name.c_str()};
  if (S_ISDIR(st.st_mode)) {
    const Fd dir = *sys::open(at, O_RDONLY | O_DIRECTORY);
    return *read_opacity(dir.ref()) == Opacity::opaque ? "/opaque" : "/";
  }
  if (S_ISLNK(st.st_mode)) return "-> " + *sys::readlink(at);
  if (S_ISFIFO(st.st_mode)) return "fifo";
  if (S_ISSOCK(st.st_mode)) return "socket";
  if (is_device_whiteout(st.st_mode, st.st_rdev)) return "whiteout";
  if (!S_ISREG(st.st_mode)) return "device";
  return *sys::read_all(sys::open(at, O_RDONLY)->ref(), 1 << 24);
}

void walk_disk(const Fd& dir, const std::string& prefix, Tree& tree) {
  std::vector<std::string> names;
  ASSERT_TRUE(sys::read_dir(dir.ref(), [&](const sys::DirEntry& entry) {
    names.emplace_back(entry.name);
    return true;
  }));
  for (const std::string& name : names) {
    const struct stat st = *sys::stat(FileAt{dir.ref(), name.c_str()});
    tree[prefix + name] = word_for(dir, name, st);
    if (S_ISDIR(st.st_mode))
      walk_disk(*sys::open(FileAt{dir.ref(), name.c_str()}, O_RDONLY | O_DIRECTORY), prefix + name + "/", tree);
  }
}

}  // namespace

Mounted::Mounted(std::vector<MemoryEntry> lower, OverlayOptions options)
    : Mounted(stack_of(std::move(lower)), options) {}

Mounted::Mounted(LayerPtr lower, OverlayOptions options) : lower_(std::move(lower)), options_(options) {
  dir_.mkdir("upper");
  dir_.mkdir("work");
  remount();
}

Mounted::~Mounted() { overlay_.reset(); }

Result<void> Mounted::try_remount() {
  known_.clear();
  overlay_.reset();
  Fd upper = TRY(sys::open(dir_ / "upper", O_PATH | O_DIRECTORY));
  Fd work = TRY(sys::open(dir_ / "work", O_PATH | O_DIRECTORY));
  overlay_ = TRY(Overlay::open(lower_, std::move(upper), std::move(work), options_));
  return {};
}

Result<void> Mounted::try_remount_over(std::vector<MemoryEntry> lower, std::optional<OverlayOptions> options) {
  known_.clear();
  overlay_.reset();
  lower_ = stack_of(std::move(lower));
  if (options) options_ = *options;
  return try_remount();
}

void Mounted::remount() {
  auto opened = try_remount();
  ASSERT_TRUE(opened) << opened.error().message();
}

void Mounted::forget_all() {
  for (const auto& [ino, count] : known_) overlay_->forget(ino, count);
  known_.clear();
}

Result<Found> Mounted::look(const std::string& path) {
  Found at{.ino = Ino::root, .attr = TRY(overlay_->getattr(Ino::root))};
  const RelPath whole = TRY(RelPath::parse(path));
  for (const std::string_view name : whole.components()) {
    at = TRY(overlay_->lookup(at.ino, name));
    note(at);
  }
  return at;
}

Result<Mounted::Split> Mounted::split(const std::string& path) {
  const RelPath whole = TRY(RelPath::parse(path));
  return Split{.parent = TRY(look(whole.parent().str())).ino, .name = std::string(whole.name())};
}

Ino Mounted::ino(const std::string& path) {
  auto found = look(path);
  EXPECT_TRUE(found) << path << ": " << found.error().message();
  return found ? found->ino : Ino{0};
}

Attr Mounted::attr(const std::string& path) {
  auto attr = overlay_->getattr(ino(path));
  EXPECT_TRUE(attr) << path << ": " << attr.error().message();
  return attr ? *attr : Attr{};
}

Result<Handle> Mounted::open(const std::string& path, int flags) {
  return TRY(overlay_->open(TRY(look(path)).ino, flags)).handle;
}

std::string Mounted::read_through(Handle handle) {
  std::string text(1 << 20, '\0');
  auto count = overlay_->read(handle, std::as_writable_bytes(std::span(text)), 0);
  EXPECT_TRUE(count) << count.error().message();
  text.resize(count ? *count : 0);
  return text;
}

Result<std::string> Mounted::read(const std::string& path) {
  const Handle handle = TRY(open(path, O_RDONLY));
  std::string text = read_through(handle);
  overlay_->release(handle);
  return text;
}

Result<void> Mounted::write_at(Handle handle, std::uint64_t offset, const std::string& text) {
  const std::size_t count = TRY(overlay_->write(handle, std::as_bytes(std::span(text)), offset, false));
  return count == text.size() ? Result<void>() : Error(EIO);
}

Result<void> Mounted::write(const std::string& path, const std::string& text) {
  const Split at = TRY(split(path));
  const Created created = TRY(overlay_->create(at.parent, at.name, 0644, O_RDWR | O_TRUNC, caller));
  note(created.found);
  auto written = write_at(created.opened.handle, 0, text);
  overlay_->release(created.opened.handle);
  return written;
}

Result<void> Mounted::mkdir(const std::string& path, mode_t mode) {
  const Split at = TRY(split(path));
  note(TRY(overlay_->mkdir(at.parent, at.name, mode, caller)));
  return {};
}

Result<void> Mounted::symlink(const std::string& path, const std::string& target) {
  const Split at = TRY(split(path));
  note(TRY(overlay_->symlink(at.parent, at.name, target, caller)));
  return {};
}

Result<void> Mounted::mknod(const std::string& path, mode_t mode, dev_t rdev) {
  const Split at = TRY(split(path));
  note(TRY(overlay_->mknod(at.parent, at.name, mode, rdev, caller)));
  return {};
}

Result<void> Mounted::link(const std::string& from, const std::string& to) {
  const Ino what = TRY(look(from)).ino;
  const Split at = TRY(split(to));
  note(TRY(overlay_->link(what, at.parent, at.name)));
  return {};
}

Result<void> Mounted::unlink(const std::string& path) {
  const Split at = TRY(split(path));
  return overlay_->unlink(at.parent, at.name);
}

Result<void> Mounted::rmdir(const std::string& path) {
  const Split at = TRY(split(path));
  return overlay_->rmdir(at.parent, at.name);
}

Result<void> Mounted::rename(const std::string& from, const std::string& to, unsigned flags) {
  const Split a = TRY(split(from));
  const Split b = TRY(split(to));
  return overlay_->rename(a.parent, a.name, b.parent, b.name, flags);
}

Result<void> Mounted::chmod(const std::string& path, mode_t mode) {
  TRY(overlay_->setattr(TRY(look(path)).ino, {.mode = mode}, {}));
  return {};
}

Result<void> Mounted::truncate(const std::string& path, std::uint64_t size) {
  TRY(overlay_->setattr(TRY(look(path)).ino, {.size = size}, {}));
  return {};
}

Result<std::vector<std::string>> Mounted::names(const std::string& path) {
  std::vector<std::string> names;
  TRY(overlay_->readdir(TRY(look(path)).ino, 0, [&](const ListedEntry& entry) {
    if (entry.name != "." && entry.name != "..") names.emplace_back(entry.name);
    return true;
  }));
  std::sort(names.begin(), names.end());
  return names;
}

Tree Mounted::upper() const {
  Tree tree;
  walk_disk(*sys::open(dir_ / "upper", O_RDONLY | O_DIRECTORY), "", tree);
  return tree;
}

std::vector<std::string> Mounted::work() const {
  std::vector<std::string> names;
  const Fd dir = *sys::open(dir_ / "work/work", O_RDONLY | O_DIRECTORY);
  EXPECT_TRUE(sys::read_dir(dir.ref(), [&](const sys::DirEntry& entry) {
    names.emplace_back(entry.name);
    return true;
  }));
  return names;
}

Tree Mounted::merged() {
  Tree tree;
  std::vector<std::string> todo{""};
  while (!todo.empty()) {
    const std::string dir = std::move(todo.back());
    todo.pop_back();
    auto listed = names(dir);
    EXPECT_TRUE(listed) << dir << ": " << listed.error().message();
    if (!listed) continue;
    for (const std::string& name : *listed) {
      const std::string path = dir.empty() ? name : dir + "/" + name;
      auto found = look(path);
      EXPECT_TRUE(found) << path << " is listed, but: " << found.error().message();
      if (!found) continue;
      if (found->attr.is_dir()) {
        tree[path] = "/";
        todo.push_back(path);
      } else if (found->attr.is_symlink()) {
        tree[path] = "-> " + *overlay_->readlink(found->ino);
      } else if (found->attr.is_regular()) {
        auto text = read(path);
        EXPECT_TRUE(text) << path << ": " << text.error().message();
        tree[path] = text ? *text : "?";
      } else {
        tree[path] = S_ISFIFO(found->attr.mode) ? "fifo" : S_ISSOCK(found->attr.mode) ? "socket" : "device";
      }
    }
  }
  return tree;
}

}  // namespace acetate::fs
