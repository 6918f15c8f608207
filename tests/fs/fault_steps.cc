#include "tests/fs/fault_steps.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "layers/dir_layer.h"
#include "layers/stack.h"

namespace acetate::fs {

namespace {

constexpr time_t kLongAgo = 1000;

std::vector<MemoryEntry> lower() {
  std::vector<MemoryEntry> entries{memory_file("d/f", "lower f", 0640), memory_file("d/g", "lower g"),
                                   memory_symlink("d/l", "f"),         memory_file("d/sub/x", "x"),
                                   memory_dir("empty"),                memory_file("deep/er/est", "deep"),
                                   memory_file("links/a", "linked"),   memory_file("links/b", ""),
                                   memory_file("more/c", "")};
  entries[0].xattrs = {{"user.tag", "v"}};
  entries.push_back({.path = "d/p", .attr = {.mode = S_IFIFO | 0640}});
  for (auto* name : {&entries[7], &entries[8]}) name->hardlink_to = "links/a";
  return entries;
}

Result<void> nothing(Mounted&) { return {}; }

// A file of the upper becomes what the kernel's overlay leaves of one that it copied up by its attributes only.
Result<void> make_metacopy(Mounted& m, const std::string& path) {
  TRY(m.chmod(path, 0600));
  const Fd file = TRY(sys::open(m.dir() / ("upper/" + path), O_RDWR));
  const std::uint64_t size = static_cast<std::uint64_t>(TRY(sys::stat(file.ref())).st_size);
  TRY(sys::truncate(file.ref(), 0));
  TRY(sys::truncate(file.ref(), size));
  if (!sys::set_xattr(file.ref(), "trusted.overlay.metacopy", "")) TRY(sys::set_xattr(file.ref(), "user.overlay.metacopy", ""));
  return m.try_remount();
}

bool has_copy_in_index(const Mounted& m) {
  const auto dir = sys::open(m.dir() / "work/acetate.index", O_RDONLY | O_DIRECTORY);
  bool has = false;
  EXPECT_TRUE(dir && sys::read_dir(dir->ref(), [&](const sys::DirEntry& entry) {
    has = has || !entry.name.ends_with(".lost");
    return true;
  }));
  return has;
}

}  // namespace

LayerPtr lower_in_memory() { return *make_stack({*make_memory_layer(lower())}); }

LayerPtr lower_in(const test::TempDir& empty) {
  for (const MemoryEntry& entry : lower()) {
    const std::string path = empty / entry.path;
    if (const auto slash = entry.path.rfind('/'); slash != std::string::npos) {
      EXPECT_TRUE(sys::make_dirs(empty / entry.path.substr(0, slash), 0755));
    }
    if (S_ISDIR(entry.attr.mode)) {
      EXPECT_TRUE(sys::make_dirs(path, 0755));
    } else if (S_ISLNK(entry.attr.mode)) {
      EXPECT_TRUE(sys::symlink(entry.content.c_str(), FileAt{kWorkingDir, path.c_str()}));
    } else if (S_ISFIFO(entry.attr.mode)) {
      EXPECT_TRUE(sys::mknod(FileAt{kWorkingDir, path.c_str()}, entry.attr.mode, 0));
    } else if (!entry.hardlink_to.empty()) {
      const std::string other = empty / entry.hardlink_to;
      EXPECT_TRUE(sys::link(FileAt{kWorkingDir, other.c_str()}, FileAt{kWorkingDir, path.c_str()}));
    } else {
      const Fd file = *sys::open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
      EXPECT_TRUE(sys::write_full(file.ref(), entry.content));
      EXPECT_TRUE(sys::chmod(file.ref(), entry.attr.mode & 07777));
      for (const Xattr& xattr : entry.xattrs) EXPECT_TRUE(sys::set_xattr(file.ref(), xattr.name.c_str(), xattr.value));
    }
    const struct timespec times[2] = {{.tv_sec = kLongAgo, .tv_nsec = 0}, {.tv_sec = kLongAgo, .tv_nsec = 0}};
    EXPECT_TRUE(sys::set_times(FileAt{kWorkingDir, path.c_str()}, times));
  }
  return *make_stack({*open_dir_layer(empty.open())});
}

Tree with_attributes(Mounted& m) {
  Tree tree = m.merged();
  tree[""] = "/";
  for (auto& [path, what] : tree) {
    const Attr attr = m.attr(path);
    what += fmt::format(" {:o} {}:{}", attr.mode, attr.uid, attr.gid);
    // Copied with its times, or changed now.
    if (!attr.is_dir() && attr.mtime.tv_sec > kLongAgo) what += " changed";
    auto names = m.overlay().listxattr(m.ino(path));
    EXPECT_TRUE(names) << path << ": " << names.error().message();
    if (!names) continue;
    std::sort(names->begin(), names->end());
    for (const std::string& name : *names) what += fmt::format(" {}={}", name, *m.overlay().getxattr(m.ino(path), name));
  }
  return tree;
}

std::vector<Step> steps() {
  return {
      {"copy up a file", nothing, [](Mounted& m) { return m.chmod("d/f", 0600); }},
      {"copy up below new directories", nothing, [](Mounted& m) { return m.chmod("deep/er/est", 0600); }},
      {"copy up a symlink",
       nothing,
       [](Mounted& m) -> Result<void> {
         TRY(m.overlay().setattr(TRY(m.look("d/l")).ino, {.uid = 7, .gid = 7}, {}));
         return {};
       }},
      {"copy up a fifo", nothing, [](Mounted& m) { return m.chmod("d/p", 0600); }},
      {"bytes of a metacopy", [](Mounted& m) { return make_metacopy(m, "d/f"); },
       [](Mounted& m) { return m.truncate("d/f", 3); }},
      {"chown of the lower's", nothing,
       [](Mounted& m) -> Result<void> {
         TRY(m.overlay().setattr(TRY(m.look("d/f")).ino, {.uid = 7, .gid = 7}, {}));
         return {};
       }},
      {"open to write",
       nothing,
       [](Mounted& m) -> Result<void> {
         m.overlay().release(TRY(m.open("d/f", O_RDWR)));
         return {};
       }},
      {"open to truncate",
       nothing,
       [](Mounted& m) -> Result<void> {
         m.overlay().release(TRY(m.open("d/f", O_WRONLY | O_TRUNC)));
         return {};
       }},
      {"create", nothing, [](Mounted& m) { return m.mknod("d/new", S_IFREG | 0644); }},
      {"create over a whiteout", [](Mounted& m) { return m.unlink("d/f"); },
       [](Mounted& m) { return m.mknod("d/f", S_IFREG | 0644); }},
      {"mkdir over a whiteout",
       [](Mounted& m) -> Result<void> {
         TRY(m.unlink("d/sub/x"));
         return m.rmdir("d/sub");
       },
       [](Mounted& m) { return m.mkdir("d/sub"); }},
      {"symlink over a whiteout", [](Mounted& m) { return m.unlink("d/f"); },
       [](Mounted& m) { return m.symlink("d/f", "g"); }},
      {"link", nothing, [](Mounted& m) { return m.link("d/f", "empty/h"); }},
      {"unlink of the lower's", nothing, [](Mounted& m) { return m.unlink("d/f"); }},
      {"unlink of a copy", [](Mounted& m) { return m.chmod("d/f", 0600); }, [](Mounted& m) { return m.unlink("d/f"); }},
      {"unlink of the upper's", [](Mounted& m) { return m.write("d/new", "new"); },
       [](Mounted& m) { return m.unlink("d/new"); }},
      {"rmdir of the lower's", nothing, [](Mounted& m) { return m.rmdir("empty"); }},
      {"rmdir with a whiteout inside", [](Mounted& m) { return m.unlink("d/sub/x"); },
       [](Mounted& m) { return m.rmdir("d/sub"); }},
      {"rename of the lower's", nothing, [](Mounted& m) { return m.rename("d/f", "d/new"); }},
      {"rename over the lower's", nothing, [](Mounted& m) { return m.rename("d/f", "d/g"); }},
      {"rename between directories", [](Mounted& m) { return m.chmod("d/f", 0600); },
       [](Mounted& m) { return m.rename("d/f", "empty/f"); }},
      {"rename over a whiteout", [](Mounted& m) { return m.unlink("d/g"); },
       [](Mounted& m) { return m.rename("d/f", "d/g"); }},
      {"exchange", nothing, [](Mounted& m) { return m.rename("d/f", "d/g", RENAME_EXCHANGE); }},
      {"rename of a directory over a whiteout",
       [](Mounted& m) -> Result<void> {
         TRY(m.rmdir("empty"));
         return m.mkdir("made");
       },
       [](Mounted& m) { return m.rename("made", "empty"); }},
      {"rename of a directory over an emptied one",
       [](Mounted& m) -> Result<void> {
         TRY(m.unlink("d/sub/x"));
         TRY(m.mkdir("made"));
         return m.write("made/f", "made");
       },
       [](Mounted& m) { return m.rename("made", "d/sub"); }},
      {"rename of a directory that hides the lower's over an emptied one",
       [](Mounted& m) -> Result<void> {
         TRY(m.unlink("d/sub/x"));
         TRY(m.rmdir("empty"));
         TRY(m.mkdir("empty"));
         return m.write("empty/f", "made");
       },
       [](Mounted& m) { return m.rename("empty", "d/sub"); }},
      {"rename of an opaque directory away",
       [](Mounted& m) -> Result<void> {
         TRY(m.rmdir("empty"));
         return m.mkdir("empty");
       },
       [](Mounted& m) { return m.rename("empty", "elsewhere"); }},
      {"rename of a directory of the lower", nothing, [](Mounted& m) { return m.rename("d", "elsewhere"); }},
      {"exchange of two directories of the lower", nothing,
       [](Mounted& m) { return m.rename("d/sub", "deep", RENAME_EXCHANGE); }},
      {"truncate", nothing, [](Mounted& m) { return m.truncate("d/f", 3); }},
      {"setxattr", nothing,
       [](Mounted& m) -> Result<void> {
         return m.overlay().setxattr(TRY(m.look("d/f")).ino, "user.more", "x", 0, false);
       }},
  };
}

std::vector<Step> steps_of_links() {
  const auto copied = [](Mounted& m) { return m.chmod("links/a", 0600); };
  const auto known = [](Mounted& m) -> Result<void> {
    TRY(m.look("links/b"));
    TRY(m.look("more/c"));
    return {};
  };
  return {
      {"write to one name", nothing, [](Mounted& m) { return m.truncate("links/a", 3); }},
      {"write to one of the known names", known, [](Mounted& m) { return m.truncate("links/a", 3); }},
      {"unlink of one name", nothing, [](Mounted& m) { return m.unlink("more/c"); }},
      {"write after one name went", [](Mounted& m) { return m.unlink("more/c"); },
       [](Mounted& m) { return m.truncate("links/a", 3); }},
      {"unlink of the copy's name", copied, [](Mounted& m) { return m.unlink("links/a"); }},
      {"unlink of a name that only the lower has of a copy", copied, [](Mounted& m) { return m.unlink("more/c"); }},
      {"unlink of the last name",
       [=](Mounted& m) -> Result<void> {
         TRY(copied(m));
         TRY(m.unlink("links/a"));
         return m.unlink("links/b");
       },
       [](Mounted& m) { return m.unlink("more/c"); }},
      {"one more link", copied, [](Mounted& m) { return m.link("links/a", "empty/d"); }},
      {"rename of one name", nothing, [](Mounted& m) { return m.rename("more/c", "links/d"); }},
      {"rename over one name", nothing, [](Mounted& m) { return m.rename("d/f", "more/c"); }},
      {"rename over the copy's name", copied, [](Mounted& m) { return m.rename("d/f", "links/a"); }},
      {"rename over a name that only the lower has of a copy", copied, [](Mounted& m) { return m.rename("d/f", "more/c"); }},
  };
}

void expect_right_links(Mounted& m, const Tree& tree) {
  std::map<Ino, std::uint32_t> names;
  for (const auto& [path, what] : tree)
    if (what != "/") ++names[m.ino(path)];
  const std::uint32_t more = has_copy_in_index(m) ? 0 : 1;
  for (const auto& [ino, count] : names) {
    const auto attr = m.overlay().getattr(ino);
    ASSERT_TRUE(attr);
    EXPECT_GE(attr->nlink, count);
    EXPECT_LE(attr->nlink, count + more);
  }
}

}  // namespace acetate::fs
