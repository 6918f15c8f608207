#include "cli/give_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "tests/support/temp_dir.h"

namespace acetate::cli {
namespace {

constexpr uid_t kUid = 12345;
constexpr gid_t kGid = 23456;

class GiveTree : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to give files away";
  }
  bool is_given(const std::string& name) const {
    struct stat st {};
    EXPECT_EQ(::lstat((dir_ / name).c_str(), &st), 0) << name;
    return st.st_uid == kUid && st.st_gid == kGid;
  }
  test::TempDir dir_;
};

TEST_F(GiveTree, GivesAllThatIsBelowAndNothingThatALinkLeadsTo) {
  dir_.write("outside/file", "");
  dir_.write("tree/sub/file", "");
  std::filesystem::create_symlink("../outside", dir_ / "tree/link");
  std::filesystem::create_symlink(dir_ / "tree", dir_ / "to-tree");

  ASSERT_TRUE(give_tree(dir_ / "to-tree", kUid, kGid));

  for (const char* name : {"tree", "tree/sub", "tree/sub/file", "tree/link"}) EXPECT_TRUE(is_given(name)) << name;
  for (const char* name : {"outside", "outside/file", "to-tree"}) EXPECT_FALSE(is_given(name)) << name;
}

TEST_F(GiveTree, GivesAFileByItself) {
  dir_.write("file", "");

  ASSERT_TRUE(give_tree(dir_ / "file", kUid, kGid));

  EXPECT_TRUE(is_given("file"));
}

TEST_F(GiveTree, GivesNoDevices) {
  dir_.mkdir("tree");
  if (::mknod((dir_ / "tree/null").c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0) GTEST_SKIP() << "no device can be made here";

  ASSERT_TRUE(give_tree(dir_ / "tree", kUid, kGid));

  EXPECT_FALSE(is_given("tree/null"));
}

TEST_F(GiveTree, RefusesWhatPeopleAndMachinesLiveBy) {
  dir_.mkdir("home");
  const std::string before = ::getenv("HOME") != nullptr ? ::getenv("HOME") : "";
  ::setenv("HOME", (dir_ / "home").c_str(), 1);
  for (const std::string& place : {std::string("/"), std::string("/etc/../etc"), std::string("/var/lib"), dir_ / "home"})
    EXPECT_TRUE(give_tree(place, kUid, kGid).error().is(EINVAL)) << place;
  ::setenv("HOME", before.c_str(), 1);

  EXPECT_FALSE(is_given("home"));
}

TEST_F(GiveTree, RefusesWhatLiesTooDeepAndWhatIsNotThere) {
  std::string deep = "tree";
  for (int i = 0; i < 501; ++i) deep += "/d";
  dir_.mkdir(deep);

  EXPECT_TRUE(give_tree(dir_ / "tree", kUid, kGid).error().is(EINVAL));
  EXPECT_TRUE(give_tree(dir_ / "no", kUid, kGid).error().is(ENOENT));
}

// Does something to the tree before its first directory is listed.
class Meanwhile final : public sys::Hook {
 public:
  explicit Meanwhile(std::function<void()> what) : what_(std::move(what)), before_(sys::install(this)) {}
  ~Meanwhile() override { sys::install(before_); }
  int before(sys::Call call) noexcept override {
    if (call == sys::Call::getdents && !done_.exchange(true)) what_();
    return 0;
  }

 private:
  const std::function<void()> what_;
  std::atomic<bool> done_{false};
  sys::Hook* before_;
};

TEST_F(GiveTree, IsNotLedAwayByWhoPutsALinkInTheWayMeanwhile) {
  dir_.write("victim/tree/file", "");
  dir_.write("mine/tree/file", "");
  {
    const Meanwhile swapped([&] {
      std::filesystem::rename(dir_ / "mine", dir_ / "moved");
      std::filesystem::create_symlink("victim", dir_ / "mine");
    });
    ASSERT_TRUE(give_tree(dir_ / "mine/tree", kUid, kGid));
  }

  for (const char* name : {"moved/tree", "moved/tree/file"}) EXPECT_TRUE(is_given(name)) << name;
  for (const char* name : {"victim", "victim/tree", "victim/tree/file"}) EXPECT_FALSE(is_given(name)) << name;
}

TEST_F(GiveTree, DoesNotMindWhatGoesAwayMeanwhile) {
  dir_.write("tree/file", "");
  class Gone final : public sys::Hook {
   public:
    explicit Gone(std::string path) : path_(std::move(path)), before_(sys::install(this)) {}
    ~Gone() override { sys::install(before_); }
    int before(sys::Call call) noexcept override {
      if (call == sys::Call::getdents) listed_ = true;
      if (call == sys::Call::openat && listed_) ::unlink(path_.c_str());
      return 0;
    }

   private:
    const std::string path_;
    bool listed_ = false;
    sys::Hook* before_;
  };
  {
    const Gone gone(dir_ / "tree/file");
    EXPECT_TRUE(give_tree(dir_ / "tree", kUid, kGid));
  }

  EXPECT_TRUE(is_given("tree"));
}

}  // namespace
}  // namespace acetate::cli
