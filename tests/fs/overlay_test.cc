#include <fcntl.h>
#include <gmock/gmock.h>

#include "base/sys/file.h"
#include "tests/fs/overlay_fixture.h"

namespace acetate::fs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Overlay, ShowsTheLowerUntilSomethingIsWrittenAndWritesOnlyTheUpper) {
  Mounted m({memory_file("a/b", "lower"), memory_dir("c")});

  EXPECT_EQ(m.merged(), (Tree{{"a", "/"}, {"a/b", "lower"}, {"c", "/"}}));
  EXPECT_THAT(m.upper(), IsEmpty());

  ASSERT_EQ(code(m.write("a/new", "made")), 0);
  EXPECT_EQ(m.merged(), (Tree{{"a", "/"}, {"a/b", "lower"}, {"a/new", "made"}, {"c", "/"}}));
  EXPECT_EQ(m.upper(), (Tree{{"a", "/"}, {"a/new", "made"}}));
}

TEST(Overlay, SaysThatItIsReadOnlyWithoutAnUpper) {
  auto layer = make_memory_layer({memory_file("f", "text")});
  auto overlay = Overlay::open(*layer, {}, {}, {});
  ASSERT_TRUE(overlay);
  EXPECT_TRUE((*overlay)->read_only());

  const Found f = *(*overlay)->lookup(Ino::root, "f");
  EXPECT_EQ(code((*overlay)->open(f.ino, O_WRONLY)), EROFS);
  EXPECT_EQ(code((*overlay)->unlink(Ino::root, "f")), EROFS);
  EXPECT_EQ(code((*overlay)->mkdir(Ino::root, "d", 0755, {})), EROFS);
  EXPECT_EQ(code((*overlay)->setattr(f.ino, {.mode = 0600}, {})), EROFS);
  EXPECT_EQ(code((*overlay)->setxattr(f.ino, "user.x", "y", 0, false)), EROFS);
  EXPECT_EQ(code((*overlay)->rename(Ino::root, "f", Ino::root, "g", 0)), EROFS);
  EXPECT_TRUE((*overlay)->open(f.ino, O_RDONLY));
}

TEST(Overlay, RefusesAWorkDirectoryThatAnotherOverlayUses) {
  Mounted first;

  auto second = Overlay::open(*make_memory_layer({}), first.dir().open(), first.dir().open(), {});
  EXPECT_EQ(code(second), EINVAL);  // one lies in the other
  second = Overlay::open(*make_memory_layer({}), *sys::open(first.dir() / "upper", O_PATH),
                         *sys::open(first.dir() / "work", O_PATH), {});
  ASSERT_EQ(code(second), EBUSY);
  EXPECT_THAT(second.error().message(), HasSubstr("another overlay"));
}

TEST(Overlay, EmptiesWhatACrashLeftInTheWorkDirectory) {
  Mounted m;
  m.dir().write("work/work/t0/deep/file", "debris");

  m.remount();

  EXPECT_THAT(m.work(), IsEmpty());
  EXPECT_EQ(code(m.write("f", "text")), 0);
}

TEST(Overlay, WithoutAnUpperTellsTheSpaceOfTheTopLayer) {
  const test::TempDir dir;
  const auto overlay = Overlay::open(*make_memory_layer({memory_file("f", "text")}), {}, {}, {.space_of = std::make_shared<const Fd>(dir.open())});
  ASSERT_TRUE(overlay);
  const auto told = (*overlay)->statfs();
  const auto real = sys::statfs(dir.open().ref());
  ASSERT_TRUE(told && real);
  EXPECT_GT(told->blocks, 0U);
  EXPECT_EQ(told->blocks, real->f_blocks);
  EXPECT_EQ(told->name_max, static_cast<std::uint64_t>(real->f_namelen));
}

TEST(Overlay, AnswersNumbersItNeverGaveOutWithESTALEAndEBADF) {
  Mounted m({memory_file("f", "text")});

  EXPECT_EQ(code(m.overlay().getattr(Ino{4711})), ESTALE);
  EXPECT_EQ(code(m.overlay().lookup(Ino{4711}, "f")), ESTALE);
  EXPECT_EQ(code(m.overlay().fsync(Handle{4711}, false)), EBADF);
  const Ino f = m.ino("f");
  m.forget_all();
  EXPECT_EQ(code(m.overlay().getattr(f)), ESTALE);
}

TEST(Overlay, FreesEveryInodeThatIsForgotten) {
  Mounted m({memory_file("a/b/c/d", "x"), memory_file("a/e", "y")});
  const auto before = m.overlay().stats();
  ASSERT_EQ(code(m.write("a/b/new", "z")), 0);
  (void)m.merged();
  EXPECT_GT(m.overlay().stats().inodes, before.inodes);

  m.forget_all();

  EXPECT_EQ(m.overlay().stats().inodes, before.inodes);
  EXPECT_EQ(m.overlay().stats().handles, 0U);
}

TEST(Overlay, NeverGivesANumberOutTwice) {
  Mounted m({memory_file("f", "x")});
  const Ino first = m.ino("f");
  m.forget_all();
  EXPECT_NE(m.ino("f"), first);
}

TEST(Overlay, RefusesWhatIsNoName) {
  Mounted m;
  EXPECT_EQ(code(m.overlay().lookup(Ino::root, "..")), EINVAL);
  EXPECT_EQ(code(m.overlay().lookup(Ino::root, "a/b")), EINVAL);
  EXPECT_EQ(code(m.overlay().lookup(Ino::root, "")), EINVAL);
  EXPECT_EQ(code(m.overlay().mkdir(Ino::root, std::string(256, 'x'), 0755, {})), ENAMETOOLONG);
  EXPECT_EQ(code(m.overlay().mkdir(Ino::root, std::string(255, 'x'), 0755, {})), 0);
}

TEST(Overlay, TheNextOneNeedNotWaitUntilTheLastHasSynced) {
  Mounted m({memory_file("f", "x")});
  ASSERT_TRUE(m.write("g", "y"));
  const auto open_again = [&] {
    return Overlay::open(*make_memory_layer({}), *sys::open(m.dir() / "upper", O_PATH | O_DIRECTORY),
                         *sys::open(m.dir() / "work", O_PATH | O_DIRECTORY), {.durable = false});
  };
  EXPECT_EQ(code(open_again()), EBUSY);

  m.overlay().leave_work_dir();

  const auto next = open_again();
  ASSERT_TRUE(next) << next.error().message();
  EXPECT_TRUE(m.overlay().sync());
}

}  // namespace
}  // namespace acetate::fs
