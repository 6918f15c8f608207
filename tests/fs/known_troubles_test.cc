// What users of overlays in userspace were burnt by and no other test here is about: docs/conformance.md lists them all with
// their tests.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <optional>
#include <semaphore>
#include <thread>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "layers/dir_layer.h"
#include "layers/stack.h"
#include "tests/fs/overlay_fixture.h"

namespace acetate::fs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A lower that is a directory on disk.
class OverADirectory : public ::testing::Test {
 protected:
  void serve() {
    auto layer = open_dir_layer(lower_.open());
    ASSERT_TRUE(layer) << layer.error().message();
    mounted_.emplace(*make_stack({*std::move(layer)}), OverlayOptions{.durable = false});
  }
  Mounted& m() { return *mounted_; }
  struct stat in_upper(const std::string& path) { return *sys::stat(FileAt{kWorkingDir, (m().dir() / ("upper/" + path)).c_str()}); }

  test::TempDir lower_;
  std::optional<Mounted> mounted_;
};

TEST_F(OverADirectory, CopyUpInflatesNoHoles) {
  constexpr std::uint64_t kSize = 64U << 20;
  {
    const Fd file = *sys::open(lower_ / "sparse", O_RDWR | O_CREAT, 0644);
    ASSERT_TRUE(sys::truncate(file.ref(), kSize));
    ASSERT_TRUE(sys::pwrite_full(file.ref(), std::as_bytes(std::span("data", 4)), kSize / 2));
  }
  serve();
  ASSERT_EQ(code(m().chmod("sparse", 0600)), 0);
  EXPECT_EQ(m().attr("sparse").size, kSize);
  EXPECT_LT(in_upper("sparse").st_blocks * 512, 1 << 20);
  EXPECT_LE(m().overlay().stats().copied_bytes, 1U << 20);
  const Handle file = *m().open("sparse", O_RDONLY);
  std::string text(4, '\0');
  ASSERT_TRUE(m().overlay().read(file, std::as_writable_bytes(std::span(text)), kSize / 2));
  EXPECT_EQ(text, "data");
}

// A copy loop that waits for bytes which do not come never ends.
TEST_F(OverADirectory, ALowerThatShrankUnderACopyIsAnErrorAndTheLowerStillShows) {
  lower_.write("f", std::string(100000, 'x'));
  serve();
  const Ino f = m().ino("f");
  const Handle reader = *m().open("f", O_RDONLY);
  struct Shrink final : sys::Hook {
    explicit Shrink(std::string file) : path(std::move(file)) {}
    int before(sys::Call call) noexcept override {
      if (call == sys::Call::copy_file_range || call == sys::Call::pread) (void)::truncate(path.c_str(), 10);
      return 0;
    }
    std::string path;
  } shrink(lower_ / "f");
  sys::install(&shrink);
  const int answer = code(m().overlay().setattr(f, {.mode = 0600}, {}));
  sys::install(nullptr);

  EXPECT_EQ(answer, EIO);
  EXPECT_THAT(m().upper(), IsEmpty());
  EXPECT_THAT(m().work(), IsEmpty());
  m().overlay().release(reader);
}

// Names in a merged directory go by name, never by number: bind mounts and copies of layers share numbers.
TEST_F(OverADirectory, AnEntryIsNotTakenForAnotherOfTheSameNumber) {
  lower_.write("a", "text");
  ASSERT_TRUE(sys::link(FileAt{kWorkingDir, (lower_ / "a").c_str()}, FileAt{kWorkingDir, (lower_ / "b").c_str()}));
  serve();
  EXPECT_THAT(*m().names(""), ElementsAre("a", "b"));
  ASSERT_EQ(code(m().write("a", "new")), 0);
  EXPECT_EQ(*m().read("b"), "text");
  EXPECT_EQ(lower_.read("a"), "text");
}

TEST(KnownTroubles, NoReplaceOntoAWhiteoutIsNoReplacement) {
  Mounted m({memory_file("t", "lower"), memory_file("s", "s")});
  ASSERT_EQ(code(m.unlink("t")), 0);
  EXPECT_EQ(code(m.rename("s", "t", RENAME_NOREPLACE)), 0);
  EXPECT_EQ(m.merged(), (Tree{{"t", "s"}}));
}

TEST(KnownTroubles, AnOpenUnlinkedFileTakesEveryChangeThatADescriptorCanAskFor) {
  Mounted m({memory_file("lower", "text")});
  ASSERT_EQ(code(m.write("upper", "text")), 0);
  for (const char* name : {"lower", "upper"}) {
    const Ino ino = m.ino(name);
    const Handle handle = *m.open(name, O_RDWR);
    ASSERT_EQ(code(m.unlink(name)), 0);
    EXPECT_EQ(m.overlay().getattr(ino)->nlink, 0U) << name;
    EXPECT_TRUE(m.overlay().setattr(ino, {.size = 2}, handle)) << name;
    EXPECT_TRUE(m.overlay().setattr(ino, {.mode = 0600}, {})) << name;
    EXPECT_TRUE(m.overlay().setattr(ino, {.mtime = TimeChange{.at = {1, 0}}}, {})) << name;
    EXPECT_TRUE(m.overlay().setxattr(ino, "user.tag", "v", 0, false)) << name;
    EXPECT_TRUE(m.overlay().fallocate(handle, 0, 0, 4096, false)) << name;
    EXPECT_EQ(m.overlay().getattr(ino)->size, 4096U) << name;
    m.overlay().release(handle);
  }
}

// A kernel that leaves suid to us goes on with the mode it knows, and runs a program that somebody else has rewritten with
// the rights of its owner.
TEST(KnownTroubles, TheKernelIsToldThatAWriteTookSuidAway) {
  struct Told final : Rememberer {
    void forget_attributes(Ino inode) noexcept override { inodes.push_back(inode); }
    void forget_listing(Ino) noexcept override {}
    std::vector<Ino> inodes;
  } told;
  Mounted m({memory_file("plain", "text", 0755), memory_file("lower", "text", 04777), memory_file("sgid", "text", 02777)});
  m.overlay().set_rememberer(&told);
  const auto write = [&](const std::string& name) {
    const Handle handle = *m.open(name, O_RDWR);
    ASSERT_TRUE(m.overlay().write(handle, std::as_bytes(std::span("x", 1)), 0, true));
    ASSERT_TRUE(m.overlay().write(handle, std::as_bytes(std::span("x", 1)), 1, true));
    m.overlay().release(handle);
  };
  write("plain");
  EXPECT_THAT(told.inodes, IsEmpty());
  write("lower");
  EXPECT_THAT(told.inodes, ElementsAre(m.ino("lower")));
  EXPECT_EQ(m.attr("lower").mode, S_IFREG | 0777);
  write("sgid");
  EXPECT_EQ(told.inodes.size(), 2U);
  m.overlay().set_rememberer(nullptr);
}

TEST(KnownTroubles, TimesBefore1970AreTimes) {
  MemoryEntry old = memory_file("f", "x");
  old.attr.mtime = {.tv_sec = -631152000, .tv_nsec = 1};  // 1950
  Mounted m({old});
  EXPECT_EQ(m.attr("f").mtime.tv_sec, -631152000);
  ASSERT_TRUE(m.overlay().setattr(m.ino("f"), {.mtime = TimeChange{.at = {-5, 0}}}, {}));
  EXPECT_EQ(m.attr("f").mtime.tv_sec, -5);
}

// Modes as they are: not widened by what a daemon itself needs, not narrowed by its umask.
TEST(KnownTroubles, CopiedUpDirectoriesKeepTheirMode) {
  Mounted m({memory_dir("private", 0700), memory_dir("tmp", 01777), memory_dir("closed", 0555),
             memory_file("private/f", "x"), memory_file("tmp/f", "x"), memory_file("closed/f", "x")});
  for (const auto& [dir, mode] : std::map<std::string, mode_t>{{"private", 0700}, {"tmp", 01777}, {"closed", 0555}}) {
    ASSERT_EQ(code(m.unlink(dir + "/f")), 0) << dir;
    EXPECT_EQ(m.attr(dir).mode, S_IFDIR | mode) << dir;
  }
}

TEST(KnownTroubles, ADirectoryHasOneLinkWhereThatIsAskedFor) {
  Mounted m(std::vector<MemoryEntry>(), {.static_nlink = true});
  ASSERT_EQ(code(m.mkdir("d")), 0);
  ASSERT_EQ(code(m.mkdir("d/sub")), 0);
  EXPECT_EQ(m.attr("d").nlink, 1U);
  EXPECT_EQ(m.attr("").nlink, 1U);
}

TEST(KnownTroubles, ADirectoryCountsItsDirectoriesWhereNoLowerTakesPart) {
  Mounted m({memory_file("merged/sub/f", "x")});
  ASSERT_EQ(code(m.mkdir("new")), 0);
  const auto on_disk = [&] { return sys::stat(FileAt{kWorkingDir, (m.dir() / "upper/new").c_str()})->st_nlink; };
  EXPECT_EQ(m.attr("new").nlink, on_disk());
  ASSERT_EQ(code(m.mkdir("new/sub")), 0);
  EXPECT_EQ(m.attr("new").nlink, on_disk());
  EXPECT_EQ(m.attr("merged").nlink, 1U);
  const Ino removed = m.ino("new/sub");
  ASSERT_EQ(code(m.rmdir("new/sub")), 0);
  EXPECT_EQ(m.overlay().getattr(removed)->nlink, 0U);
}

TEST(KnownTroubles, AFileHasAsManyLinksAsThereAreNamesHoweverManyAreKnown) {
  Mounted m({memory_file("a", "x"), {.path = "b", .attr = {.mode = S_IFREG | 0644}, .hardlink_to = "a"}});
  EXPECT_EQ(m.attr("a").nlink, 2U);
  EXPECT_EQ(m.attr("b").nlink, 2U);
  EXPECT_EQ(m.attr("a").nlink, 2U);
  ASSERT_EQ(code(m.write("c", "x")), 0);
  ASSERT_EQ(code(m.link("c", "d")), 0);
  m.forget_all();
  EXPECT_EQ(m.attr("d").nlink, 2U);
  ASSERT_EQ(code(m.unlink("c")), 0);
  EXPECT_EQ(m.attr("d").nlink, 1U);
}

// Keeps one thread at its first write until it may go on.
class Holding final : public sys::Hook {
 public:
  Holding() : before_(sys::install(this)) {}
  ~Holding() override { sys::install(before_); }
  int before(sys::Call call) noexcept override {
    if (call == sys::Call::pwrite && std::this_thread::get_id() == held_) {
      reached_.release();
      go_on_.acquire();
      held_ = std::thread::id();
    }
    return 0;
  }
  // Called by the thread that is to be held.
  void hold_me() { held_ = std::this_thread::get_id(); }
  void wait_until_held() { reached_.acquire(); }
  void let_go() { go_on_.release(); }

 private:
  std::atomic<std::thread::id> held_{};
  std::binary_semaphore reached_{0};
  std::binary_semaphore go_on_{0};
  Hook* before_;
};

TEST(KnownTroubles, ACopyUpMakesNobodyElseWait) {
  Mounted m({memory_file("d/big", "large"), memory_file("d/other", "small")});
  const Ino big = m.ino("d/big");
  ASSERT_EQ(code(m.chmod("d", 0750)), 0);  // the directory is in the upper
  Holding holding;
  std::thread copier([&] {
    holding.hold_me();
    auto opened = m.overlay().open(big, O_RDWR);
    EXPECT_TRUE(opened);
    if (opened) m.overlay().release(opened->handle);
  });
  holding.wait_until_held();

  EXPECT_EQ(*m.read("d/big"), "large");
  EXPECT_EQ(code(m.chmod("d/other", 0600)), 0);
  EXPECT_EQ(code(m.write("d/new", "made")), 0);
  EXPECT_EQ(code(m.unlink("d/new")), 0);
  EXPECT_EQ(m.names("d")->size(), 2U);
  EXPECT_FALSE(m.upper().contains("d/big"));

  holding.let_go();
  copier.join();
  EXPECT_EQ(m.upper().at("d/big"), "large");
}

TEST(KnownTroubles, AFifoIsCopiedUpAsAFifoAndNobodyWaitsForIt) {
  Mounted m({{.path = "fifo", .attr = {.mode = S_IFIFO | 0600}}});
  ASSERT_EQ(code(m.chmod("fifo", 0640)), 0);
  EXPECT_EQ(m.upper(), (Tree{{"fifo", "fifo"}}));
}

TEST(KnownTroubles, ADirectoryFullOfWhiteoutsIsRemovedWithThemAndLeavesNothingInTheWorkDirectory) {
  std::vector<MemoryEntry> lower;
  for (int i = 0; i < 20; ++i) lower.push_back(memory_file(fmt::format("d/sub/f{}", i), "x"));
  Mounted m(std::move(lower), {.durable = false});
  for (int i = 0; i < 20; ++i) ASSERT_EQ(code(m.unlink(fmt::format("d/sub/f{}", i))), 0);
  ASSERT_EQ(code(m.rmdir("d/sub")), 0);
  ASSERT_EQ(code(m.rmdir("d")), 0);
  EXPECT_EQ(m.upper(), (Tree{{"d", "whiteout"}}));
  EXPECT_THAT(m.work(), IsEmpty());
}

TEST(KnownTroubles, AnOpenDirectoryThatIsRemovedWithItsWhiteoutsKeepsItsMode) {
  Mounted m({memory_file("merged/old", "x")});
  ASSERT_EQ(code(m.mkdir("new")), 0);
  ASSERT_EQ(code(m.write("new/f", "x")), 0);
  for (const auto& [name, file] : {std::pair("merged", "/old"), std::pair("new", "/f")}) {
    const Ino ino = m.ino(name);
    ASSERT_EQ(code(m.chmod(name, 0444)), 0);
    ASSERT_EQ(code(m.unlink(name + std::string(file))), 0);
    ASSERT_EQ(code(m.rmdir(name)), 0);
    EXPECT_EQ(m.overlay().getattr(ino)->mode, S_IFDIR | 0444U) << name;
  }
  EXPECT_THAT(m.work(), IsEmpty());
}

}  // namespace
}  // namespace acetate::fs
