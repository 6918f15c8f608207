// Scratch directories: removed, and those of the dead with them, but no living one's.
#include "builder/sandbox/scratch.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/sys/file.h"
#include "tests/support/temp_dir.h"

namespace acetate::sandbox {
namespace {

TEST(ScratchDirectory, IsRemovedAndSoAreThoseOfTheDead) {
  const test::TempDir dir;
  std::string path;
  {
    auto scratch = Scratch::make(dir / "base");
    ASSERT_TRUE(scratch) << scratch.error().message();
    path = scratch->path();
    ASSERT_TRUE(sys::make_dirs(*scratch / "a/b/c", 0700));
    ASSERT_EQ(::chmod((*scratch / "a/b").c_str(), 0), 0);
  }
  EXPECT_FALSE(sys::stat({kWorkingDir, path.c_str()}));

  auto living = Scratch::make(dir / "base");
  ASSERT_TRUE(living);
  dir.write("base/run-dead/.lock", "");
  dir.write("base/run-dead/file", "");
  dir.write("base/other/file", "");
  auto next = Scratch::make(dir / "base");
  ASSERT_TRUE(next);
  EXPECT_FALSE(dir.exists("base/run-dead"));
  EXPECT_TRUE(dir.exists("base/other/file"));
  EXPECT_TRUE(sys::stat({kWorkingDir, living->path().c_str()}));
}

// Independent stages of a build make theirs at the same time, and each sweeps first.
TEST(ScratchDirectory, OfSeveralThatAreMadeAtOnceNoneIsTakenForOneOfTheDead) {
  const test::TempDir dir;
  std::atomic<int> taken = 0, failed = 0;
  std::vector<std::thread> threads;
  for (int n = 0; n < 4; ++n)
    threads.emplace_back([&] {
      for (int turn = 0; turn < 300; ++turn)
        if (!Scratch::make(dir / "base", [&](const std::string&) { ++taken; })) ++failed;
    });
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(failed, 0);
  EXPECT_EQ(taken, 0);
}

TEST(ScratchDirectory, ThatWasLeftBeforeItHadALockIsRemovedWhenNobodyCanBeMakingIt) {
  const test::TempDir dir;
  for (const char* name : {"base", "base/run-new", "base/run-old", "base/run-locking", "base/run-full"}) dir.mkdir(name);
  ASSERT_EQ(::chmod((dir / "base").c_str(), 0700), 0);
  dir.write("base/run-full/file", "");
  dir.write("base/run-locking/.lock.new", "");
  const timespec long_ago[] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
  for (const char* name : {"base/run-old", "base/run-locking", "base/run-full"}) ASSERT_TRUE(sys::set_times(FileAt{kWorkingDir, (dir / name).c_str()}, long_ago));

  const auto scratch = Scratch::make(dir / "base");

  ASSERT_TRUE(scratch) << scratch.error().message();
  EXPECT_FALSE(dir.exists("base/run-old"));
  EXPECT_FALSE(dir.exists("base/run-locking"));
  EXPECT_TRUE(dir.exists("base/run-new"));
  EXPECT_TRUE(dir.exists("base/run-full/file"));
}

}  // namespace
}  // namespace acetate::sandbox
