// What the ordinary calls cost, counted in system calls and not hoped.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/sys/file.h"
#include "layers/dir_layer.h"
#include "layers/stack.h"
#include "tests/fs/overlay_fixture.h"
#include "tests/support/counting.h"

namespace acetate::fs {
namespace {

using test::Counting;

TEST(Cost, OfALookupAndAStatInTheLowerAloneIsNoSystemCall) {
  Mounted m({memory_file("d/f", "x")});
  const Ino d = m.ino("d");

  const Counting counting;
  const auto found = m.overlay().lookup(d, "f");
  ASSERT_TRUE(found);
  ASSERT_TRUE(m.overlay().getattr(found->ino));
  EXPECT_EQ(code(m.overlay().lookup(d, "none")), ENOENT);

  EXPECT_EQ(counting.count(), 0);
}

TEST(Cost, OfAskingForAttributesThatAFileHasNotIsOneCallHoweverOften) {
  test::TempDir dir;
  dir.write("f", "x");
  Mounted m(*make_stack({*open_dir_layer(dir.open())}), OverlayOptions{.durable = false});
  const Ino f = m.ino("f");

  const Counting counting;
  EXPECT_EQ(code(m.overlay().getxattr(f, "security.capability")), ENODATA);
  EXPECT_TRUE(m.overlay().listxattr(f)->empty());
  EXPECT_EQ(code(m.overlay().getxattr(f, "user.overlay.opaque")), ENODATA);

  EXPECT_EQ(counting.count(), 1);
}

TEST(Cost, OfALookupInTheUpperIsOneStat) {
  Mounted m;
  ASSERT_EQ(code(m.write("f", "x")), 0);
  m.forget_all();

  const Counting counting;
  ASSERT_TRUE(m.overlay().lookup(Ino::root, "f"));

  EXPECT_EQ(counting.count(), 2);  // and once for the directory: has it entries that brought their st_ino?
  const Counting again;
  ASSERT_TRUE(m.overlay().lookup(Ino::root, "f"));
  EXPECT_EQ(again.count(), 1);
}

TEST(Cost, OfMakingInAPureUpperDirectoryIsAtMostThreeCalls) {
  Mounted m;
  m.caller = {.uid = ::geteuid(), .gid = ::getegid()};
  ASSERT_EQ(code(m.mkdir("d")), 0);
  const Ino d = m.ino("d");
  ASSERT_TRUE(m.overlay().create(d, "warm", 0644, O_RDWR, m.caller));

  const Counting counting;
  const auto file = m.overlay().create(d, "f", 0644, O_RDWR, m.caller);
  ASSERT_TRUE(file);

  EXPECT_LE(counting.count(), 3);
}

TEST(Cost, OfReadingAndStatingAKnownUpperFileIsOneCallEach) {
  Mounted m;
  ASSERT_EQ(code(m.write("f", "x")), 0);
  const Handle handle = *m.open("f", O_RDONLY);
  const Ino f = m.ino("f");

  const Counting counting;
  std::byte buffer[1];
  ASSERT_TRUE(m.overlay().read(handle, buffer, 0));
  ASSERT_TRUE(m.overlay().getattr(f));

  EXPECT_EQ(counting.count(), 2);
}

TEST(Cost, OfAskingForTheCapabilitiesOfAFileThatWasMadeHereIsNothing) {
  Mounted m;
  ASSERT_EQ(code(m.write("f", "x")), 0);
  const Ino f = m.ino("f");
  {
    const Counting counting;
    EXPECT_EQ(code(m.overlay().getxattr(f, "security.capability")), ENODATA);
    EXPECT_EQ(counting.count(), 0);
  }
  const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);  // cap_net_bind_service=ep
  if (code(m.overlay().setxattr(f, "security.capability", capability, 0, false)) == EPERM)
    GTEST_SKIP() << "capabilities cannot be given to files here";
  EXPECT_EQ(*m.overlay().getxattr(f, "security.capability"), capability);
}

TEST(Cost, OfUnlinkingALowerFileIsOneWhiteout) {
  Mounted m({memory_file("f", "x"), memory_file("first", "x")});
  ASSERT_EQ(code(m.look("f")), 0);
  ASSERT_EQ(code(m.unlink("first")), 0);  // makes the device that all whiteouts are names of
  ASSERT_EQ(code(m.look("none")), ENOENT);  // the directory's names are known now

  const Counting counting;
  ASSERT_EQ(code(m.overlay().unlink(Ino::root, "f")), 0);

  EXPECT_EQ(counting.count(), 1);
}

TEST(Cost, OfRenamingAFileOfTheUpperIsThreeCalls) {
  Mounted m({memory_file("lower/f", "x")});
  ASSERT_EQ(code(m.mkdir("d")), 0);
  ASSERT_EQ(code(m.write("d/f", "x")), 0);
  ASSERT_EQ(code(m.write("lower/g", "x")), 0);
  ASSERT_EQ(code(m.rename("d/f", "d/e")), 0);
  ASSERT_EQ(code(m.rename("lower/g", "lower/e")), 0);
  const Ino pure = m.ino("d");
  const Ino merged = m.ino("lower");

  const Counting counting;
  ASSERT_EQ(code(m.overlay().rename(pure, "e", pure, "h", 0)), 0);
  EXPECT_EQ(counting.count(), 3);  // what stands at the two names, and the rename: its descriptor is known
  const Counting in_merged;
  ASSERT_EQ(code(m.overlay().rename(merged, "e", merged, "h", 0)), 0);
  EXPECT_EQ(in_merged.count(), 3);
}

TEST(Cost, OfSeeingThatADirectoryHoldsOnlyWhiteoutsDoesNotGrowWithThem) {
  std::vector<MemoryEntry> lower;
  for (int i = 0; i < 1000; ++i) lower.push_back(memory_file(fmt::format("d/{}", i), ""));
  Mounted m(std::move(lower), {.durable = false});
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(code(m.unlink(fmt::format("d/{}", i))), 0);
  const std::string one = m.dir() / "upper/d/1";
  const auto whiteout = sys::stat(FileAt{kWorkingDir, one.c_str()});
  if (!whiteout || !S_ISCHR(whiteout->st_mode)) GTEST_SKIP() << "no whiteout devices can be made here";

  const Counting counting;
  EXPECT_TRUE(m.names("d")->empty());

  EXPECT_LT(counting.count(), 10);
}

TEST(Cost, OfListingDoesNotGrowWithTheSquareOfTheEntries) {
  std::vector<MemoryEntry> lower;
  for (int i = 0; i < 20000; ++i) lower.push_back(memory_file(fmt::format("d/{}", i), ""));
  Mounted m(std::move(lower), {.durable = false});
  ASSERT_EQ(code(m.unlink("d/7")), 0);

  const Counting counting;
  EXPECT_EQ(m.names("d")->size(), 19999U);

  EXPECT_LT(counting.count(), 20);
}

}  // namespace
}  // namespace acetate::fs
