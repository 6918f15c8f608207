// Owner, mode and type kept in an attribute: xattr_permissions, and uppers of containers/storage.
#include "fs/permissions.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "layers/dir_layer.h"
#include "layers/stack.h"
#include "tests/fs/overlay_fixture.h"

namespace acetate::fs {
namespace {

const std::vector<MemoryEntry> kNothingBelow;

using ::testing::Contains;
using ::testing::Not;

constexpr const char* kXattr = "user.containers.override_stat";
const OverlayOptions kAside = {.durable = false, .owners = {}, .permissions = OverrideMode::containers};

std::string kept(const Mounted& m, const std::string& path) {
  auto value = sys::get_xattr(sys::open(m.dir() / ("upper/" + path), O_PATH)->ref(), kXattr);
  EXPECT_TRUE(value) << path << ": " << value.error().message();
  return value ? *value : "";
}
struct stat on_disk(const Mounted& m, const std::string& path) {
  struct stat st {};
  EXPECT_EQ(::lstat((m.dir() / ("upper/" + path)).c_str(), &st), 0) << path;
  return st;
}

class PermissionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    test::TempDir dir;
    if (auto set = sys::set_xattr(dir.open().ref(), "user.acetate", "y"); !set)
      GTEST_SKIP() << "no user xattrs on this file system";
  }
};

TEST_F(PermissionsTest, OfNewObjectsAreKeptAsContainersStorageWritesThem) {
  Mounted m(kNothingBelow, kAside);
  m.caller = {.uid = 7, .gid = 8, .umask = 022};

  ASSERT_TRUE(m.write("f", "text"));
  ASSERT_TRUE(m.mkdir("d", 0700));
  ASSERT_TRUE(m.mknod("null", S_IFCHR | 0666, makedev(1, 3)));
  ASSERT_TRUE(m.mknod("pipe", S_IFIFO | 0600));
  ASSERT_TRUE(m.symlink("l", "f"));

  EXPECT_EQ(kept(m, "f"), "7:8:0644:file");
  EXPECT_EQ(kept(m, "d"), "7:8:0700:dir");
  EXPECT_EQ(kept(m, "null"), "7:8:0644:char-1-3");
  EXPECT_EQ(kept(m, "pipe"), "7:8:0600:pipe");
  for (const char* name : {"f", "null", "pipe"}) {
    EXPECT_EQ(on_disk(m, name).st_mode, static_cast<mode_t>(S_IFREG | 0755)) << name;
    EXPECT_EQ(on_disk(m, name).st_uid, ::geteuid()) << name;
  }
  EXPECT_TRUE(S_ISLNK(on_disk(m, "l").st_mode));
  m.remount();
  EXPECT_EQ(m.attr("f").mode, static_cast<mode_t>(S_IFREG | 0644));
  EXPECT_EQ(m.attr("f").uid, 7U);
  EXPECT_EQ(m.attr("d").gid, 8U);
  EXPECT_EQ(m.attr("null").mode, static_cast<mode_t>(S_IFCHR | 0644));
  EXPECT_EQ(m.attr("null").rdev, makedev(1, 3));
  EXPECT_EQ(m.attr("pipe").mode, static_cast<mode_t>(S_IFIFO | 0600));
  EXPECT_EQ(*m.read("f"), "text");
}

TEST_F(PermissionsTest, ChangeInTheAttributeAlone) {
  Mounted m({memory_file("low", "x", 04755)}, kAside);
  ASSERT_TRUE(m.write("f", "text"));

  ASSERT_TRUE(m.chmod("f", 04711));
  ASSERT_TRUE(m.overlay().setattr(m.ino("f"), {.uid = 4, .gid = 5}, {}));
  ASSERT_TRUE(m.overlay().setattr(m.ino("low"), {.gid = 9}, {}));

  EXPECT_EQ(kept(m, "f"), "4:5:4711:file");
  EXPECT_EQ(on_disk(m, "f").st_mode & 07777, 0755U);
  EXPECT_EQ(kept(m, "low"), "0:9:4755:file");
  EXPECT_EQ(m.attr("f").mode, static_cast<mode_t>(S_IFREG | 04711));
  ASSERT_TRUE(m.overlay().setattr(m.ino("f"), {.kill_suidgid = true}, {}));
  EXPECT_EQ(m.attr("f").mode, static_cast<mode_t>(S_IFREG | 0711));
}

TEST_F(PermissionsTest, AreCopiedUpOfEveryType) {
  MemoryEntry device = memory_file("dev", "");
  device.attr.mode = S_IFBLK | 0660;
  device.attr.rdev = makedev(8, 1);
  device.attr.gid = 6;
  Mounted m({memory_file("d/f", "text", 0600), device, memory_symlink("l", "t")}, kAside);

  for (const char* name : {"d/f", "dev", "l", "d"})
    ASSERT_TRUE(m.overlay().setattr(m.ino(name), {.atime = TimeChange{.at = {7, 0}}}, {})) << name;

  EXPECT_EQ(kept(m, "d"), "0:0:0755:dir");
  EXPECT_EQ(kept(m, "d/f"), "0:0:0600:file");
  EXPECT_EQ(kept(m, "dev"), "0:6:0660:block-8-1");
  EXPECT_EQ(m.attr("dev").rdev, makedev(8, 1));
  EXPECT_EQ(*m.overlay().readlink(m.ino("l")), "t");
}

TEST_F(PermissionsTest, InheritTheGroupOfASetgidDirectory) {
  Mounted m(kNothingBelow, kAside);
  ASSERT_TRUE(m.mkdir("d"));
  ASSERT_TRUE(m.overlay().setattr(m.ino("d"), {.gid = 50}, {}));
  ASSERT_TRUE(m.chmod("d", 02775));
  m.caller = {.uid = 7, .gid = 8};

  ASSERT_TRUE(m.write("d/f", ""));
  ASSERT_TRUE(m.mkdir("d/sub"));

  EXPECT_EQ(m.attr("d/f").gid, 50U);
  EXPECT_EQ(m.attr("d/sub").gid, 50U);
  EXPECT_EQ(m.attr("d/sub").mode & 07777, 02755U);
}

TEST_F(PermissionsTest, OfAnUpperThatHasThemAreReadAndWrittenWithoutBeingAskedFor) {
  Mounted m(kNothingBelow, kAside);
  m.caller = {.uid = 7, .gid = 8};
  ASSERT_TRUE(m.write("f", "text"));
  EXPECT_EQ(kept(m, "").substr(0, 4), "0:0:");
  Mounted reader(kNothingBelow, OverlayOptions{.durable = false});
  EXPECT_FALSE(reader.overlay().permissions_in_xattr());

  auto upper = sys::open(m.dir() / "upper", O_PATH | O_DIRECTORY);
  ASSERT_TRUE(sys::make_dirs(m.dir() / "work2", 0700));
  auto work = sys::open(m.dir() / "work2", O_PATH | O_DIRECTORY);
  auto again = Overlay::open(*make_stack({*make_memory_layer({})}), *std::move(upper), *std::move(work), {.durable = false});
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_TRUE((*again)->permissions_in_xattr());
  EXPECT_EQ((*again)->lookup(Ino::root, "f")->attr.uid, 7U);
}

TEST_F(PermissionsTest, AreWhatAnotherMountReadsFromTheUpperAsALower) {
  Mounted m(kNothingBelow, kAside);
  m.caller = {.uid = 7, .gid = 8};
  ASSERT_TRUE(m.mknod("d", S_IFBLK | 0600, makedev(7, 0)));

  const LayerPtr layer = *open_dir_layer(*sys::open(m.dir() / "upper", O_PATH | O_DIRECTORY));

  const auto entry = layer->lookup(layer->root(), "d");
  ASSERT_TRUE(entry) << entry.error().message();
  EXPECT_EQ(entry->attr.mode, static_cast<mode_t>(S_IFBLK | 0600));
  EXPECT_EQ(entry->attr.rdev, makedev(7, 0));
  EXPECT_EQ(entry->attr.uid, 7U);
  layer->release(entry->node);
}

TEST_F(PermissionsTest, CannotBeForgedFromInside) {
  for (const OverlayOptions& how : {kAside, OverlayOptions{.durable = false}}) {
    Mounted m(kNothingBelow, how);
    ASSERT_TRUE(m.write("f", "text"));
    for (const char* name :
         {"user.containers.override_stat", "user.fuseoverlayfs.override_stat", "security.fuseoverlayfs.override_stat",
          "user.containers.override_security.capability", "user.fuseoverlayfs.opaque"}) {
      const auto set = m.overlay().setxattr(m.ino("f"), name, "0:0:4755:file", 0, false);
      EXPECT_EQ(code(set), EPERM) << name;
      EXPECT_EQ(code(m.overlay().getxattr(m.ino("f"), name)), ENODATA) << name;
      EXPECT_THAT(*m.overlay().listxattr(m.ino("f")), Not(Contains(name)));
    }
  }
}

TEST_F(PermissionsTest, SecurityAttributesGoUnderANameAnybodyMaySet) {
  Mounted m(kNothingBelow, kAside);
  ASSERT_TRUE(m.write("f", "text"));

  ASSERT_TRUE(m.overlay().setxattr(m.ino("f"), "security.tag", "v", 0, false));

  EXPECT_EQ(*m.overlay().getxattr(m.ino("f"), "security.tag"), "v");
  EXPECT_THAT(*m.overlay().listxattr(m.ino("f")), Contains("security.tag"));
  const Fd file = *sys::open(m.dir() / "upper/f", O_RDONLY);
  EXPECT_EQ(*sys::get_xattr(file.ref(), "user.containers.override_security.tag"), "v");
  ASSERT_TRUE(m.overlay().removexattr(m.ino("f"), "security.tag"));
  EXPECT_EQ(code(m.overlay().getxattr(m.ino("f"), "security.tag")), ENODATA);
}

TEST_F(PermissionsTest, ThatMakeNoSenseAreAnErrorAndNotAGuess) {
  Mounted m(kNothingBelow, kAside);
  ASSERT_TRUE(m.write("f", "text"));
  ASSERT_TRUE(sys::set_xattr(sys::open(m.dir() / "upper/f", O_PATH)->ref(), kXattr, "root:wheel:rwx"));
  m.remount();

  EXPECT_EQ(code(m.look("f")), EIO);
}

TEST_F(PermissionsTest, NeverMakeAWhiteout) {
  Mounted m({memory_file("f", "below")}, kAside);
  ASSERT_TRUE(m.chmod("f", 0600));
  ASSERT_TRUE(sys::set_xattr(sys::open(m.dir() / "upper/f", O_PATH)->ref(), kXattr, "0:0:0600:char-0-0"));
  m.remount();

  EXPECT_EQ(m.attr("f").mode, static_cast<mode_t>(S_IFREG | 0600));
}

}  // namespace
}  // namespace acetate::fs
