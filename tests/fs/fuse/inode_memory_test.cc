// What an inode costs with the layer below it, a real one: a directory, a tarball, and both with others above them. Measured at the allocator, over
// more inodes than most images have, and that forgotten ones cost nothing.
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/stat.h>

#include <cstdlib>

#include "base/sys/process.h"
#include "fs/fuse/lowers.h"
#include "fs/overlay.h"
#include "tests/support/temp_dir.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ACETATE_OTHER_ALLOCATOR 1
#endif

namespace acetate::fs {
namespace {

constexpr int kDirs = 100;
constexpr int kFilesOfEach = 1000;
constexpr int kFiles = kDirs * kFilesOfEach;

std::string name_of(int i) { return fmt::format("libexample-{:05}.so", i); }  // as long as names are
std::string dir_of(int i) { return fmt::format("directory-{:03}", i); }

struct Bytes {
  std::int64_t held;  // for each file, while all are known
  std::int64_t left;  // for each, after they are forgotten
};

class InodeMemory : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef ACETATE_OTHER_ALLOCATOR
    GTEST_SKIP() << "a sanitizer's allocator cannot be measured";
#endif
    for (int dir = 0; dir < kDirs; ++dir) {
      dir_.mkdir("lower/" + dir_of(dir));
      for (int file = 0; file < kFilesOfEach; ++file) dir_.write("lower/" + dir_of(dir) + "/" + name_of(file), "");
    }
    dir_.write("above/" + dir_of(0) + "/other", "");
    ::setenv("ACETATE_CACHE", (dir_ / "cache").c_str(), 1);
  }
  void TearDown() override { ::unsetenv("ACETATE_CACHE"); }

  // Directories are known and listed before the counting begins: their listings are a cache with a limit of its own.
  Bytes measured(const std::vector<std::string>& lowers) {
    const auto used = [] { return static_cast<std::int64_t>(::mallinfo2().uordblks); };
    auto opened = open_lowers(lowers, FollowMarks::privileged);
    EXPECT_TRUE(opened) << opened.error().message();
    auto overlay = *Overlay::open(opened->tree, {}, {}, {});
    std::vector<Ino> dirs, files;
    files.reserve(kFiles);
    for (int dir = 0; dir < kDirs; ++dir) {
      dirs.push_back(overlay->lookup(Ino::root, dir_of(dir))->ino);
      EXPECT_FALSE(overlay->lookup(dirs.back(), "absent"));
    }
    const std::int64_t before = used();
    for (const Ino dir : dirs)
      for (int file = 0; file < kFilesOfEach; ++file) files.push_back(overlay->lookup(dir, name_of(file))->ino);
    const std::int64_t held = used() - before;
    EXPECT_EQ(overlay->stats().inodes, std::uint64_t{kFiles + kDirs + 1});
    for (const Ino file : files) overlay->forget(file, 1);
    const std::int64_t left = used() - before;
    EXPECT_EQ(overlay->stats().inodes, std::uint64_t{kDirs + 1});
    fmt::print("over {}: {} bytes an inode, {} when it is forgotten\n", fmt::join(lowers, ":"), held / kFiles, left / kFiles);
    return {.held = held / kFiles, .left = left / kFiles};
  }

  test::TempDir dir_;
};

TEST_F(InodeMemory, IsAtMost200BytesOverADirectoryAndOverATarballAndNothingOnceForgotten) {
  for (const auto& lowers : {std::vector{dir_ / "lower"}, std::vector{dir_ / "above", dir_ / "lower"}}) {
    const Bytes bytes = measured(lowers);
    EXPECT_LE(bytes.held, 200);
    EXPECT_LE(bytes.left, 1);
  }
  auto packed = sys::run_captured({.argv = {"tar", "-C", dir_ / "lower", "-cf", dir_ / "lower.tar", "."}});
  if (!packed) GTEST_SKIP() << "tar is not installed";
  ASSERT_TRUE(packed->exit.ok());
  for (const auto& lowers : {std::vector{dir_ / "lower.tar"}, std::vector{dir_ / "above", dir_ / "lower.tar"}}) {
    const Bytes bytes = measured(lowers);
    EXPECT_LE(bytes.held, 200);
    EXPECT_LE(bytes.left, 1);
  }
}

}  // namespace
}  // namespace acetate::fs
