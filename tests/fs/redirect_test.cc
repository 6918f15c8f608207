// Directories that a lower takes part in, renamed by redirects.
#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/fs.h>
#include <stdio.h>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "tests/fs/overlay_fixture.h"

namespace acetate::fs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<MemoryEntry> lower() {
  return {memory_file("a/sub/f", "lower f"), memory_file("a/g", "lower g"), memory_file("b/h", "lower h"),
          memory_dir("empty")};
}

class Redirect : public ::testing::Test {
 protected:
  Mounted m{lower(), {.durable = false, .redirect_dir = true}};

  void SetUp() override {
    if (prefix().empty()) GTEST_SKIP() << "the file system of the temporary directory has no extended attributes";
  }
  std::string prefix() const {
    const Fd upper = *sys::open(m.dir() / "upper", O_RDONLY | O_DIRECTORY);
    for (const char* prefix : {"trusted.overlay.", "user.overlay."}) {
      if (!sys::set_xattr(upper.ref(), (std::string(prefix) + "probe").c_str(), "y")) continue;
      EXPECT_TRUE(sys::remove_xattr(upper.ref(), (std::string(prefix) + "probe").c_str()));
      return prefix;
    }
    return {};
  }
  void set(const std::string& path, const std::string& value) {
    const Fd dir = *sys::open(m.dir() / ("upper/" + path), O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(sys::set_xattr(dir.ref(), (prefix() + "redirect").c_str(), value));
  }
  std::string redirect_of(const std::string& path) {
    const Fd dir = *sys::open(m.dir() / ("upper/" + path), O_RDONLY | O_DIRECTORY);
    auto value = sys::get_xattr(dir.ref(), (prefix() + "redirect").c_str());
    return value ? *value : "";
  }
};

TEST_F(Redirect, MovesADirectoryOfTheLowerWithEverythingInIt) {
  ASSERT_EQ(code(m.rename("a", "moved")), 0);
  const Tree expected{{"b", "/"},        {"b/h", "lower h"},  {"empty", "/"},
                      {"moved", "/"},    {"moved/g", "lower g"}, {"moved/sub", "/"},
                      {"moved/sub/f", "lower f"}};
  EXPECT_EQ(m.merged(), expected);
  EXPECT_EQ(m.upper(), (Tree{{"a", "whiteout"}, {"moved", "/"}}));
  EXPECT_EQ(redirect_of("moved"), "/a");

  m.remount();
  EXPECT_EQ(m.merged(), expected);
  EXPECT_EQ(m.overlay().stats().copied_bytes, 0U);
}

TEST_F(Redirect, KeepsTheNumberAndGoesIntoADirectoryOfTheUpper) {
  const std::uint64_t number = m.attr("a/sub").ino;
  ASSERT_EQ(code(m.mkdir("new")), 0);
  ASSERT_EQ(code(m.rename("a/sub", "new/sub")), 0);
  EXPECT_EQ(redirect_of("new/sub"), "/a/sub");
  for (int mounts = 0; mounts < 2; ++mounts, m.remount()) {
    EXPECT_EQ(m.attr("new/sub").ino, number);
    EXPECT_EQ(*m.read("new/sub/f"), "lower f");
    EXPECT_THAT(*m.names("a"), ElementsAre("g"));
  }
}

// The second path is read off the first one's redirect, not off the names it goes by now.
TEST_F(Redirect, FollowsThePathOfAnAncestorThatMovedBefore) {
  ASSERT_EQ(code(m.rename("a", "moved")), 0);
  ASSERT_EQ(code(m.rename("moved/sub", "sub")), 0);
  EXPECT_EQ(redirect_of("sub"), "/a/sub");
  ASSERT_EQ(code(m.rename("sub", "again")), 0);
  m.remount();
  EXPECT_EQ(*m.read("again/f"), "lower f");
  EXPECT_THAT(*m.names("moved"), ElementsAre("g"));
}

TEST_F(Redirect, IsNotMergedWithWhatTheLowerHasAtTheNewName) {
  ASSERT_EQ(code(m.unlink("b/h")), 0);
  ASSERT_EQ(code(m.rename("a", "b")), 0);
  for (int mounts = 0; mounts < 2; ++mounts, m.remount()) EXPECT_THAT(*m.names("b"), ElementsAre("g", "sub"));
  ASSERT_EQ(code(m.unlink("b/g")), 0);
  EXPECT_EQ(code(m.look("b/g")), ENOENT);
}

TEST_F(Redirect, ExchangesTwoDirectories) {
  ASSERT_EQ(code(m.rename("a", "b", RENAME_EXCHANGE)), 0);
  for (int mounts = 0; mounts < 2; ++mounts, m.remount()) {
    EXPECT_THAT(*m.names("b"), ElementsAre("g", "sub"));
    EXPECT_THAT(*m.names("a"), ElementsAre("h"));
  }
}

TEST_F(Redirect, ThatWasMovedCanBeRemovedAndBringsNothingBack) {
  ASSERT_EQ(code(m.rename("b", "c")), 0);
  ASSERT_EQ(code(m.unlink("c/h")), 0);
  ASSERT_EQ(code(m.rmdir("c")), 0);
  m.remount();
  EXPECT_EQ(code(m.look("b")), ENOENT);
  EXPECT_EQ(code(m.look("c")), ENOENT);
  EXPECT_EQ(m.upper(), (Tree{{"b", "whiteout"}}));
}

TEST_F(Redirect, IsFollowedWhoeverWroteIt) {
  ASSERT_EQ(code(m.rename("a", "moved")), 0);
  set("moved", "/b");
  m.remount();
  EXPECT_THAT(*m.names("moved"), ElementsAre("h"));
}

TEST_F(Redirect, LeadsNowhereOutOfTheLower) {
  ASSERT_EQ(code(m.rename("a", "moved")), 0);
  for (const char* target : {"/../etc", "..", "", "/", "sub/x"}) {
    set("moved", target);
    m.remount();
    EXPECT_EQ(code(m.look("moved")), EIO) << target;
  }
  set("moved", "/not/there");
  m.remount();
  EXPECT_THAT(*m.names("moved"), IsEmpty());
}

TEST_F(Redirect, IsRefusedWithNofollowAndSoIsAMetacopy) {
  ASSERT_EQ(code(m.rename("a", "moved")), 0);
  ASSERT_EQ(code(m.chmod("b/h", 0600)), 0);
  const Fd copy = *sys::open(m.dir() / "upper/b/h", O_RDWR);
  ASSERT_TRUE(sys::truncate(copy.ref(), 0));
  ASSERT_TRUE(sys::truncate(copy.ref(), 7));
  ASSERT_TRUE(sys::set_xattr(copy.ref(), (prefix() + "metacopy").c_str(), ""));
  ASSERT_TRUE(m.try_remount_over(lower(), OverlayOptions{.durable = false, .follows_marks = false}));
  EXPECT_EQ(code(m.look("moved")), EPERM);
  EXPECT_EQ(code(m.look("b/h")), EIO);
  EXPECT_EQ(code(m.look("empty")), 0);
  ASSERT_TRUE(m.try_remount_over(lower(), OverlayOptions{.durable = false}));
  EXPECT_THAT(*m.names("moved"), ElementsAre("g", "sub"));
  EXPECT_EQ(*m.read("b/h"), "lower h");
}

// --- whose marks are believed

// What root's overlay has written becomes what one without privilege writes.
void unprivileged(const Fd& dir) {
  std::vector<std::string> names;
  ASSERT_TRUE(sys::read_dir(dir.ref(), [&](const sys::DirEntry& entry) {
    if (entry.type == DT_DIR) names.emplace_back(entry.name);
    return true;
  }));
  const auto xattrs = *sys::list_xattrs(dir.ref());
  for (const std::string& name : xattrs) {
    if (!name.starts_with("trusted.overlay.")) continue;
    ASSERT_TRUE(sys::set_xattr(dir.ref(), ("user." + name.substr(8)).c_str(), *sys::get_xattr(dir.ref(), name.c_str())));
    ASSERT_TRUE(sys::remove_xattr(dir.ref(), name.c_str()));
  }
  for (const std::string& name : names) unprivileged(*sys::open(FileAt{dir.ref(), name.c_str()}, O_RDONLY | O_DIRECTORY));
}

TEST_F(Redirect, OfAnUpperMadeWithoutRootIsFollowedByRootWhichGoesOnInItsDialect) {
  if (prefix() != "trusted.overlay.") GTEST_SKIP() << "needs root";
  ASSERT_EQ(code(m.rename("a", "moved")), 0);
  unprivileged(*sys::open(m.dir() / "upper", O_RDONLY | O_DIRECTORY));
  m.remount();
  EXPECT_EQ(*m.read("moved/g"), "lower g");
  EXPECT_EQ(code(m.look("a")), ENOENT);

  ASSERT_EQ(code(m.rename("b", "moved/b")), 0);
  m.remount();
  EXPECT_EQ(*m.read("moved/b/h"), "lower h");
  for (const char* dir : {"", "/moved", "/moved/b"}) {
    const Fd written = *sys::open(m.dir() / (std::string("upper") + dir), O_RDONLY | O_DIRECTORY);
    const auto xattrs = *sys::list_xattrs(written.ref());
    for (const std::string& name : xattrs) EXPECT_FALSE(name.starts_with("trusted.overlay.")) << dir << " " << name;
  }
}

// Whoever owns a directory or a file inside a tree of root's may set a "user." attribute on it where root's overlay is the kernel's: that makes nothing of
// the lower his.
TEST_F(Redirect, ForgedInsideATreeOfRootsIsNotFollowed) {
  if (prefix() != "trusted.overlay.") GTEST_SKIP() << "needs root";
  const auto forge = [&](const std::string& path, const char* name, const char* value) {
    const Fd object = *sys::open(m.dir() / ("upper/" + path), O_RDONLY);
    ASSERT_TRUE(sys::set_xattr(object.ref(), (std::string("user.overlay.") + name).c_str(), value));
  };
  ASSERT_EQ(code(m.mkdir("mine")), 0);
  ASSERT_EQ(code(m.mkdir("mine/door")), 0);
  ASSERT_EQ(code(m.write("mine/file", "")), 0);
  ASSERT_EQ(code(m.truncate("mine/file", 7)), 0);
  for (const char* dir : {"mine", "mine/door"}) forge(dir, "impure", "y");
  forge("mine/door", "redirect", "/a/sub");
  forge("mine/file", "metacopy", "");
  forge("mine/file", "redirect", "/a/g");
  const auto expect_nothing_of_the_lower = [&] {
    m.remount();
    EXPECT_THAT(*m.names("mine/door"), IsEmpty());
    EXPECT_EQ(*m.read("mine/file"), std::string(7, '\0'));
  };
  expect_nothing_of_the_lower();
  // And where root's own mark is there, the other kind on the root says nothing either.
  ASSERT_EQ(code(m.chmod("b", 0700)), 0);
  forge("", "impure", "y");
  expect_nothing_of_the_lower();
}

// A file as the kernel's overlay leaves it after a chmod with metacopy=on: all its size, and none of its bytes.
class Metacopy : public Redirect {
 protected:
  void put(const std::string& name, std::uint64_t size, const std::string& redirect = {}) {
    const Fd file = *sys::open(m.dir() / ("upper/" + name), O_RDWR | O_CREAT, 0600);
    ASSERT_TRUE(sys::truncate(file.ref(), size));
    ASSERT_TRUE(sys::set_xattr(file.ref(), (prefix() + "metacopy").c_str(), ""));
    if (!redirect.empty()) {
      ASSERT_TRUE(sys::set_xattr(file.ref(), (prefix() + "redirect").c_str(), redirect));
    }
    const struct timespec times[2] = {{.tv_sec = 100, .tv_nsec = 0}, {.tv_sec = 100, .tv_nsec = 0}};
    ASSERT_TRUE(sys::set_times(file.ref(), times));
    m.remount();
  }
  bool is_metacopy(const std::string& name) {
    const Fd file = *sys::open(m.dir() / ("upper/" + name), O_RDONLY);
    return sys::get_xattr(file.ref(), (prefix() + "metacopy").c_str()).has_value();
  }
};

TEST_F(Metacopy, ReadsTheBytesOfTheLowerAndKeepsItsOwnAttributes) {
  put("file", 7, "/a/g");

  EXPECT_EQ(m.attr("file").size, 7U);
  EXPECT_TRUE(is_metacopy("file"));  // a stat needs no bytes
  EXPECT_EQ(*m.read("file"), "lower g");
  EXPECT_EQ(m.attr("file").mode, S_IFREG | 0600);
  EXPECT_EQ(m.attr("file").mtime.tv_sec, 100);
  EXPECT_FALSE(is_metacopy("file"));
  m.remount();
  EXPECT_EQ(*m.read("file"), "lower g");
}

TEST_F(Metacopy, IsCompletedBeforeItIsRenamedOrChanged) {
  ASSERT_EQ(code(m.chmod("b", 0700)), 0);
  put("b/h", 7);
  ASSERT_EQ(code(m.rename("b/h", "b/new")), 0);
  EXPECT_EQ(*m.read("b/new"), "lower h");
  put("other", 7, "/a/g");
  ASSERT_EQ(code(m.truncate("other", 5)), 0);
  EXPECT_EQ(*m.read("other"), "lower");
}

// noxattrs is about the attributes of users: what the upper says of its files counts all the same.
TEST_F(Metacopy, IsReadWithoutAttributesOfUsersToo) {
  ASSERT_EQ(code(m.rename("a", "moved")), 0);
  put("file", 7, "/b/h");
  ASSERT_EQ(code(m.try_remount_over(lower(), OverlayOptions{.durable = false, .xattrs = false})), 0);
  EXPECT_EQ(*m.read("moved/g"), "lower g");
  EXPECT_EQ(code(m.overlay().getxattr(m.ino("file"), "user.x")), ENOTSUP);
  EXPECT_EQ(*m.read("file"), "lower h");
  EXPECT_FALSE(is_metacopy("file"));
  EXPECT_EQ(code(m.rename("b", "elsewhere")), EXDEV);
}

TEST_F(Metacopy, WhoseBytesNobodyHasIsAnErrorAndNotAHole) {
  put("file", 7);
  EXPECT_EQ(code(m.open("file", O_RDONLY)), EIO);
  EXPECT_EQ(code(m.unlink("file")), 0);
}

}  // namespace
}  // namespace acetate::fs
