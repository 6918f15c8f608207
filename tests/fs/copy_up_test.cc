#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "layers/stack.h"
#include "tests/fs/overlay_fixture.h"

namespace acetate::fs {
namespace {

using ::testing::IsEmpty;

MemoryEntry file(std::string path, std::string text, mode_t mode, uid_t uid, gid_t gid) {
  MemoryEntry entry = memory_file(std::move(path), std::move(text), mode);
  entry.attr.uid = uid;
  entry.attr.gid = gid;
  entry.attr.mtime = {.tv_sec = -86400, .tv_nsec = 5};  // before 1970 is a date like another
  return entry;
}

TEST(CopyUp, KeepsDataOwnerModeXattrsAndTimesExactly) {
  MemoryEntry suid = file("bin/su", "program", 04755, 0, 5);
  suid.xattrs = {{"user.tag", "v"}};
  Mounted m({suid});
  const Attr before = m.attr("bin/su");

  // The time of last access only: everything else must come over by itself.
  ASSERT_TRUE(m.overlay().setattr(m.ino("bin/su"), {.atime = TimeChange{.at = {7, 0}}}, {}));

  const Attr after = m.attr("bin/su");
  EXPECT_EQ(after.mode, before.mode);
  EXPECT_EQ(after.uid, 0U);
  EXPECT_EQ(after.gid, 5U);
  EXPECT_EQ(after.mtime.tv_sec, -86400);
  EXPECT_EQ(after.mtime.tv_nsec, 5);
  EXPECT_EQ(*m.read("bin/su"), "program");
  EXPECT_EQ(*m.overlay().getxattr(m.ino("bin/su"), "user.tag"), "v");
  EXPECT_EQ(m.upper(), (Tree{{"bin", "/"}, {"bin/su", "program"}}));
}

// What setxattr(2) says to who lacks CAP_SETFCAP.
struct NoCapabilities final : sys::Hook {
  NoCapabilities() { sys::install(this); }
  ~NoCapabilities() override { sys::install(nullptr); }
  int before(sys::Call call) noexcept override { return call == sys::Call::setxattr ? EPERM : 0; }
};

TEST(CopyUp, LosesTheCapabilitiesOfAProgramOnlyWhereAllIsShownAsOnesOwn) {
  MemoryEntry ping = file("ping", "program", 0755, 0, 0);
  ping.xattrs = {{"security.capability", std::string("\1\0\0\2\0\40\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20)}};
  Mounted strict({ping});
  OverlayOptions of_a_plain_user;
  of_a_plain_user.owners.squash_uid = ::geteuid();
  Mounted squashed({ping}, of_a_plain_user);
  const NoCapabilities refused;
  EXPECT_EQ(code(strict.chmod("ping", 0700)), EPERM);
  EXPECT_EQ(code(squashed.chmod("ping", 0700)), 0);
}

TEST(CopyUp, GivesParentsTheLowersMetadataAndLeavesTheirTimes) {
  MemoryEntry tmp = memory_dir("tmp", 01777);
  tmp.attr.mtime = {.tv_sec = 1000, .tv_nsec = 0};
  MemoryEntry closed = memory_dir("tmp/closed", 0700);
  closed.attr.uid = 3;
  closed.attr.mtime = {.tv_sec = 2000, .tv_nsec = 0};
  Mounted m({tmp, closed, memory_file("tmp/closed/f", "x")});

  ASSERT_EQ(code(m.chmod("tmp/closed/f", 0600)), 0);

  EXPECT_EQ(m.attr("tmp").mode, S_IFDIR | 01777);
  EXPECT_EQ(m.attr("tmp").mtime.tv_sec, 1000);
  EXPECT_EQ(m.attr("tmp/closed").mode, S_IFDIR | 0700);
  EXPECT_EQ(m.attr("tmp/closed").uid, 3U);
  EXPECT_EQ(m.attr("tmp/closed").mtime.tv_sec, 2000);
}

TEST(CopyUp, MovesOldReadersToTheUpper) {
  Mounted m({memory_file("f", "old old old")});
  const Handle reader = *m.open("f", O_RDONLY);
  EXPECT_EQ(m.read_through(reader), "old old old");

  const Handle writer = *m.open("f", O_RDWR);
  ASSERT_EQ(code(m.write_at(writer, 0, "new")), 0);

  EXPECT_EQ(m.read_through(reader), "new old old");
  EXPECT_EQ(code(m.overlay().fsync(reader, false)), 0);
}

TEST(CopyUp, CopiesNoDataToTruncateOrToDelete) {
  Mounted m({memory_file("a", std::string(100000, 'a')), memory_file("b", std::string(100000, 'b')),
             memory_file("c", "c"), memory_file("d", std::string(100000, 'd'))});

  m.overlay().release(*m.open("a", O_WRONLY | O_TRUNC));
  ASSERT_EQ(code(m.unlink("b")), 0);
  ASSERT_EQ(code(m.rename("c", "d")), 0);

  EXPECT_EQ(m.overlay().stats().copied_bytes, 1U);  // of c
  EXPECT_EQ(m.merged(), (Tree{{"a", ""}, {"d", "c"}}));
}

TEST(CopyUp, CopiesOnlyWhatATruncationLeaves) {
  Mounted m({memory_file("f", std::string(100000, 'x'))});
  ASSERT_EQ(code(m.truncate("f", 10)), 0);
  EXPECT_EQ(m.overlay().stats().copied_bytes, 10U);
  EXPECT_EQ(*m.read("f"), std::string(10, 'x'));
}

TEST(CopyUp, OfAFileThatIsOpenedToBeEmptiedChangesItsTimes) {
  std::vector<MemoryEntry> lower{file("full", "text", 0644, 0, 0), file("empty", "", 0644, 0, 0)};
  Mounted m(lower);
  for (const char* name : {"full", "empty"}) {
    m.overlay().release(*m.open(name, O_WRONLY | O_TRUNC));
    EXPECT_GT(m.attr(name).mtime.tv_sec, 0) << name;
  }
}

TEST(CopyUp, ByATruncationChangesTheTimes) {
  Mounted m({file("shorter", "text", 0644, 0, 0), file("open", "text", 0644, 0, 0)});
  ASSERT_EQ(code(m.truncate("shorter", 2)), 0);
  EXPECT_GT(m.attr("shorter").mtime.tv_sec, 0);
  const Handle handle = *m.open("open", O_RDWR);
  ASSERT_TRUE(m.overlay().setattr(m.ino("open"), {.size = 4}, handle));
  EXPECT_GT(m.attr("open").mtime.tv_sec, 0);
}

// Some file systems change the times then and some do not.
TEST(CopyUp, ByTruncate2ToTheSameLengthChangesTheTimesWhereTheUppersFileSystemDoes) {
  Mounted m({file("f", "text", 0644, 0, 0)});
  const std::string plain = m.dir() / "plain";
  ASSERT_TRUE(sys::write_full(sys::open(plain, O_WRONLY | O_CREAT, 0600)->ref(), "text"));
  const struct timespec old[2] = {{.tv_sec = 5, .tv_nsec = 0}, {.tv_sec = 5, .tv_nsec = 0}};
  ASSERT_TRUE(sys::set_times(sys::open(plain, O_RDONLY)->ref(), old));
  ASSERT_EQ(::truncate(plain.c_str(), 4), 0);
  const bool changes = sys::stat(sys::open(plain, O_RDONLY)->ref())->st_mtim.tv_sec != 5;

  ASSERT_EQ(code(m.truncate("f", 4)), 0);

  EXPECT_EQ(m.attr("f").mtime.tv_sec != -86400, changes);
}

TEST(CopyUp, TakesEveryTypeWithItsOwnerAndTimes) {
  MemoryEntry link = memory_symlink("link", "target");
  MemoryEntry fifo{.path = "fifo", .attr = {.mode = S_IFIFO | 0640}};
  MemoryEntry socket{.path = "socket", .attr = {.mode = S_IFSOCK | 0600}};
  for (MemoryEntry* entry : {&link, &fifo, &socket}) entry->attr.mtime = {.tv_sec = 1234, .tv_nsec = 0};
  Mounted m({link, fifo, socket});

  for (const char* name : {"link", "fifo", "socket"}) {
    ASSERT_TRUE(m.overlay().setattr(m.ino(name), {.uid = 9, .gid = 8}, {})) << name;
    EXPECT_EQ(m.attr(name).uid, 9U) << name;
    EXPECT_EQ(m.attr(name).mtime.tv_sec, 1234) << name;
  }
  EXPECT_EQ(m.upper(), (Tree{{"fifo", "fifo"}, {"link", "-> target"}, {"socket", "socket"}}));
}

TEST(CopyUp, LeavesLowerShowingWhenTheDiskIsFull) {
  struct Full final : sys::Hook {
    int before(sys::Call call) noexcept override { return call == sys::Call::pwrite ? ENOSPC : 0; }
  } full;
  Mounted m({memory_file("f", "text")});

  sys::install(&full);
  const int answer = code(m.open("f", O_RDWR));
  sys::install(nullptr);

  EXPECT_EQ(answer, ENOSPC);
  EXPECT_EQ(*m.read("f"), "text");
  EXPECT_THAT(m.upper(), IsEmpty());
  EXPECT_THAT(m.work(), IsEmpty());
}

TEST(CopyUp, ForATruncationIsTheTruncation) {
  // Whatever fails after the copy is there, what shows is a file that was truncated now, and not one that was always so.
  struct NoTruncate final : sys::Hook {
    int before(sys::Call call) noexcept override { return call == sys::Call::ftruncate ? EIO : 0; }
  } no_truncate;
  Mounted m({memory_file("f", "text")});

  sys::install(&no_truncate);
  const int answer = code(m.open("f", O_WRONLY | O_TRUNC));
  sys::install(nullptr);

  EXPECT_EQ(answer, EIO);
  EXPECT_EQ(m.attr("f").size, 0U);
  EXPECT_NE(m.attr("f").mtime.tv_sec, 0);  // the lower's
}

TEST(CopyUp, NeverWritesTheOtherNameOfALowerHardLink) {
  Mounted m({memory_file("a", "one"), {.path = "b", .attr = {.mode = S_IFREG | 0644}, .hardlink_to = "a"}});
  EXPECT_EQ(m.attr("a").nlink, 2U);
  EXPECT_EQ(m.attr("a").ino, m.attr("b").ino);
  EXPECT_NE(m.ino("a"), m.ino("b"));

  ASSERT_EQ(code(m.write("a", "two")), 0);

  EXPECT_EQ(m.merged(), (Tree{{"a", "two"}, {"b", "one"}}));
  EXPECT_EQ(m.upper(), (Tree{{"a", "two"}}));
  EXPECT_NE(m.attr("a").ino, m.attr("b").ino);
}

TEST(CopyUp, OfAFileThatIsOpenAndUnlinkedStaysWithoutAName) {
  Mounted m({memory_file("f", "text")});
  const Ino f = m.ino("f");
  const Handle reader = *m.open("f", O_RDONLY);
  ASSERT_EQ(code(m.unlink("f")), 0);

  EXPECT_EQ(m.read_through(reader), "text");
  ASSERT_TRUE(m.overlay().setattr(f, {.mode = 0600}, reader));

  EXPECT_EQ(m.overlay().getattr(f)->mode, S_IFREG | 0600);
  EXPECT_EQ(m.read_through(reader), "text");
  EXPECT_EQ(m.upper(), (Tree{{"f", "whiteout"}}));
}

TEST(CopyUp, ThatCannotBePublishedLeavesNothing) {
  struct NoLink final : sys::Hook {
    int before(sys::Call call) noexcept override {
      return call == sys::Call::linkat || call == sys::Call::renameat2 ? EDQUOT : 0;
    }
  } no_link;
  Mounted m({memory_file("f", "text")});

  sys::install(&no_link);
  const int answer = code(m.chmod("f", 0600));
  sys::install(nullptr);

  EXPECT_EQ(answer, EDQUOT);
  EXPECT_THAT(m.upper(), IsEmpty());
  EXPECT_THAT(m.work(), IsEmpty());
  EXPECT_EQ(code(m.chmod("f", 0600)), 0);
}

// --- st_ino

TEST(StIno, SurvivesCopyUpAndTheNextMountAndIsWhatReaddirSays) {
  Mounted m({memory_file("d/f", "x"), memory_dir("d/sub")});
  const auto inos = [&] {
    std::map<std::string, std::uint64_t> listed;
    EXPECT_TRUE(m.overlay().readdir(m.ino("d"), 0, [&](const ListedEntry& entry) {
      listed[std::string(entry.name)] = entry.ino;
      return true;
    }));
    return listed;
  };
  const std::uint64_t f = m.attr("d/f").ino;
  const std::uint64_t sub = m.attr("d/sub").ino;

  ASSERT_EQ(code(m.chmod("d/f", 0600)), 0);
  ASSERT_EQ(code(m.chmod("d/sub", 0700)), 0);
  ASSERT_EQ(code(m.write("d/new", "new")), 0);
  for (int mounts = 0; mounts < 2; ++mounts) {
    const auto listed = inos();
    EXPECT_EQ(listed.at("f"), f);
    EXPECT_EQ(listed.at("sub"), sub);
    EXPECT_EQ(m.attr("d/f").ino, f);
    EXPECT_EQ(m.attr("d/sub").ino, sub);
    EXPECT_EQ(listed.at("new"), m.attr("d/new").ino);
    EXPECT_EQ(listed.at("."), m.attr("d").ino);
    EXPECT_EQ(listed.at(".."), m.attr("").ino);
    EXPECT_NE(listed.at("new"), f);
    m.remount();
  }
}

TEST(StIno, GoesAlongWhenACopyIsRenamedToAnotherDirectory) {
  Mounted m({memory_file("a/f", "x"), memory_dir("b")});
  const std::uint64_t f = m.attr("a/f").ino;
  ASSERT_EQ(code(m.rename("a/f", "b/g")), 0);
  EXPECT_EQ(m.attr("b/g").ino, f);
  m.remount();
  EXPECT_EQ(m.attr("b/g").ino, f);
}

// What diff(1) and others ask st_ino for is whether two names are one file; xfstests' overlay/049 and 059.
TEST(StIno, IsNotInheritedByWhoeverCopiesAPieceOfTheUpperWithItsXattrs) {
  Mounted m({memory_file("f", "x")});
  const std::uint64_t f = m.attr("f").ino;
  ASSERT_EQ(code(m.chmod("f", 0600)), 0);
  m.dir().write("upper/g", "other");
  const Fd copied = *sys::open(m.dir() / "upper/f", O_RDONLY), other = *sys::open(m.dir() / "upper/g", O_RDONLY);
  std::string kept;
  const std::vector<std::string> names = *sys::list_xattrs(copied.ref());
  for (const std::string& name : names) {
    if (!name.ends_with("overlay.acetate.ino")) continue;
    kept = name;
    ASSERT_EQ(code(sys::set_xattr(other.ref(), name.c_str(), *sys::get_xattr(copied.ref(), name.c_str()))), 0);
  }
  ASSERT_NE(kept, "");
  m.remount();
  EXPECT_EQ(m.attr("f").ino, f);
  EXPECT_NE(m.attr("g").ino, f);
  // As it was written before it said whose it is.
  ASSERT_EQ(code(sys::set_xattr(copied.ref(), kept.c_str(), std::to_string(f))), 0);
  m.remount();
  EXPECT_EQ(m.attr("f").ino, f);
}

// In which Node.js, and whatever else is JavaScript, keeps them: two files must not be one.
TEST(StIno, FitsIntoADoubleOverTarballsHoweverManyLayersThereAre) {
  std::vector<LayerPtr> layers;
  for (int i = 0; i < 500; ++i) layers.push_back(*make_memory_layer({memory_file(fmt::format("f{}", i), "x")}));
  Mounted m(*make_stack(layers), {.durable = false});
  ASSERT_EQ(code(m.write("new", "x")), 0);
  std::set<std::uint64_t> numbers;
  std::size_t files = 0;
  const auto names = *m.names("");
  for (const std::string& name : names) {
    const std::uint64_t ino = m.attr(name).ino;
    EXPECT_LT(ino, std::uint64_t{1} << 53) << name;
    numbers.insert(ino);
    ++files;
  }
  EXPECT_EQ(files, 501U);
  EXPECT_EQ(numbers.size(), files);
}

TEST(StIno, OfACopiedSymlinkStaysForTheLifeOfTheMount) {
  Mounted m({memory_symlink("l", "x")});
  const std::uint64_t l = m.attr("l").ino;
  ASSERT_TRUE(m.overlay().setattr(m.ino("l"), {.uid = 1}, {}));
  m.forget_all();
  EXPECT_EQ(m.attr("l").ino, l);
}

}  // namespace
}  // namespace acetate::fs
