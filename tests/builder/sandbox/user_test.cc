#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/sys/file.h"
#include "builder/sandbox/spec.h"
#include "tests/support/temp_dir.h"

namespace acetate::sandbox {
namespace {

constexpr const char* kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "# a comment\n"
    "broken:x:notanumber:1::/:\n"
    "app:x:1000:1001:An App:/home/app:/bin/sh\n"
    "nohome:x:7:8::relative:/bin/sh\n"
    "123:x:4:5::/digits:/bin/sh\n";
constexpr const char* kGroup =
    "root:x:0:\n"
    "staff:x:50:app,other\n"
    "app:x:1001:\n"
    "wheel:x:10:root,app\n"
    "odd:x:x:app\n";

class ResolveUser : public ::testing::Test {
 protected:
  void SetUp() override {
    root_.write("etc/passwd", kPasswd);
    root_.write("etc/group", kGroup);
  }
  User resolve(const std::string& text) const {
    auto user = resolve_user(root_.path(), text);
    EXPECT_TRUE(user) << user.error().message();
    return user ? *user : User{};
  }
  int refused(const std::string& text) const {
    auto user = resolve_user(root_.path(), text);
    EXPECT_FALSE(user) << text;
    return user ? 0 : user.error().code();
  }
  test::TempDir root_;
};

TEST_F(ResolveUser, ByNameTakesIdsGroupsAndHomeFromTheContainer) {
  const User user = resolve("app");

  EXPECT_EQ(user.uid, 1000U);
  EXPECT_EQ(user.gid, 1001U);
  EXPECT_EQ(user.groups, (std::vector<gid_t>{50, 10}));
  EXPECT_EQ(user.home, "/home/app");
}

TEST_F(ResolveUser, ByNumberTakesTheEntryIfThereIsOne) {
  EXPECT_EQ(resolve("1000").gid, 1001U);
  EXPECT_EQ(resolve("1000").home, "/home/app");
}

TEST_F(ResolveUser, ByNumberWithoutEntryIsInGroupZeroAtHomeInTheRoot) {
  const User user = resolve("4242");

  EXPECT_EQ(user.uid, 4242U);
  EXPECT_EQ(user.gid, 0U);
  EXPECT_TRUE(user.groups.empty());
  EXPECT_EQ(user.home, "/");
}

TEST_F(ResolveUser, ReadsDigitsAsAnIdEvenIfSomebodyIsCalledThat) { EXPECT_EQ(resolve("123").uid, 123U); }

TEST_F(ResolveUser, WithAGroupTakesThatOneAlone) {
  EXPECT_EQ(resolve("app:staff").gid, 50U);
  EXPECT_TRUE(resolve("app:staff").groups.empty());
  EXPECT_EQ(resolve("app:77").gid, 77U);
  EXPECT_EQ(resolve("5:6").uid, 5U);
  EXPECT_EQ(resolve("5:6").gid, 6U);
}

TEST_F(ResolveUser, OfNoNameIsRoot) {
  EXPECT_EQ(resolve("").uid, 0U);
  EXPECT_EQ(resolve("").home, "/root");
}

TEST_F(ResolveUser, RefusesWhomItDoesNotFind) {
  EXPECT_EQ(refused("nobody-here"), ENOENT);
  EXPECT_EQ(refused("app:nogroup-here"), ENOENT);
  EXPECT_EQ(refused("broken"), ENOENT);
  EXPECT_EQ(refused("app:odd"), ENOENT);
}

TEST_F(ResolveUser, RefusesWhatIsNoUser) {
  for (const char* text : {"0:0:0", "app:", ":staff", ":", "4294967295", "4294967296", "99999999999999999999", "1:4294967295"})
    EXPECT_EQ(refused(text), EINVAL) << text;
  EXPECT_EQ(refused("a\nb"), ENOENT);
  EXPECT_EQ(refused("-1"), ENOENT);
}

TEST_F(ResolveUser, TakesNoHomeThatIsNotAbsolute) { EXPECT_EQ(resolve("nohome").home, "/"); }

TEST(ResolveUserHostile, NumbersNeedNoPasswdAtAll) {
  const test::TempDir root;

  const auto user = resolve_user(root.path(), "1000:1000");

  ASSERT_TRUE(user) << user.error().message();
  EXPECT_EQ(user->uid, 1000U);
}

TEST(ResolveUserHostile, FollowsASymlinkInsideTheRootOnly) {
  const test::TempDir root;
  const test::TempDir outside;
  outside.write("passwd", "evil:x:1:1::/:\n");
  root.write("data/passwd", "inside:x:9:9::/:\n");
  root.mkdir("etc");
  ASSERT_TRUE(sys::symlink("/data/passwd", {kWorkingDir, (root / "etc/passwd").c_str()}));
  ASSERT_TRUE(sys::symlink((outside / "passwd").c_str(), {kWorkingDir, (root / "etc/group").c_str()}));

  const auto inside = resolve_user(root.path(), "inside");
  ASSERT_TRUE(inside) << inside.error().message();
  EXPECT_EQ(inside->uid, 9U);
  EXPECT_FALSE(resolve_user(root.path(), "evil"));
  EXPECT_FALSE(resolve_user(root.path(), "inside:evil"));
}

TEST(ResolveUserHostile, DoesNotReadAFifoOrADirectory) {
  const test::TempDir root;
  root.mkdir("etc");
  ASSERT_EQ(::mkfifo((root / "etc/passwd").c_str(), 0666), 0);
  EXPECT_FALSE(resolve_user(root.path(), "root"));

  const test::TempDir other;
  other.mkdir("etc/passwd");
  EXPECT_FALSE(resolve_user(other.path(), "root"));
}

TEST(ResolveUserHostile, RefusesAPasswdWithoutEnd) {
  const test::TempDir root;
  root.write("etc/passwd", "");
  const Fd file = *sys::open(root / "etc/passwd", O_WRONLY);
  ASSERT_TRUE(sys::truncate(file.ref(), std::uint64_t{1} << 40));

  const auto user = resolve_user(root.path(), "root");

  ASSERT_FALSE(user);
  EXPECT_EQ(user.error().code(), EFBIG);
}

TEST(ResolveUserHostile, SurvivesALoopOfSymlinks) {
  const test::TempDir root;
  root.mkdir("etc");
  ASSERT_TRUE(sys::symlink("/etc/passwd", {kWorkingDir, (root / "etc/passwd").c_str()}));

  const auto user = resolve_user(root.path(), "root");

  ASSERT_FALSE(user);
  EXPECT_EQ(user.error().code(), ELOOP);
}

}  // namespace
}  // namespace acetate::sandbox
