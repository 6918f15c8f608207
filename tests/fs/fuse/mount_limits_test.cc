// Real mounts at the edges: long names, large directories, many layers, few descriptors, layers and connections that go
// away, links that lead into the mount itself.
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/sys/xattr.h"
#include "tests/fs/fuse/mount_fixture.h"

namespace acetate::fs {
namespace {

using ::testing::HasSubstr;

struct stat stat_of_path(const std::string& path) {
  struct stat st {};
  EXPECT_EQ(::lstat(path.c_str(), &st), 0) << path;
  return st;
}

std::size_t count_entries(const std::string& path) {
  std::size_t count = 0;
  auto dir = sys::open(path, O_RDONLY | O_DIRECTORY);
  if (!dir) return 0;
  EXPECT_TRUE(sys::read_dir(dir->ref(), [&](const sys::DirEntry& entry) {
    count += entry.name != "." && entry.name != ".." ? 1 : 0;
    return true;
  }));
  return count;
}

TEST_F(MountTest, NamesMayBeAsLongAsNamesCanBe) {
  const std::string longest(255, 'n');
  dir_.write("lower/" + longest, "below");
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();

  const std::string mine = "mnt/" + std::string(255, 'm');
  dir_.write(mine, "made");
  EXPECT_EQ(dir_.read(mine), "made");
  EXPECT_EQ(dir_.read("mnt/" + longest), "below");
  EXPECT_EQ(::unlink((dir_ / ("mnt/" + longest)).c_str()), 0);
  EXPECT_FALSE(dir_.exists("mnt/" + longest));
  EXPECT_TRUE(sys::open(dir_ / ("mnt/" + std::string(256, 'x')), O_RDONLY).error().is(ENAMETOOLONG));
}

TEST_F(MountTest, ADirectoryOfAHundredThousandEntriesIsListedWhole) {
  constexpr std::size_t kEntries = 100'000;
  dir_.mkdir("lower/many");
  const Fd many = *sys::open(dir_ / "lower/many", O_PATH | O_DIRECTORY);
  for (std::size_t i = 0; i < kEntries; ++i)
    ASSERT_TRUE(sys::mknod(FileAt{many.ref(), fmt::format("entry-{}", i).c_str()}, S_IFREG | 0644, 0));
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();

  EXPECT_EQ(count_entries(dir_ / "mnt/many"), kEntries);
  EXPECT_EQ(::unlink((dir_ / "mnt/many/entry-500").c_str()), 0);
  dir_.write("mnt/many/one-more", "x");
  dir_.write("mnt/many/another", "x");
  EXPECT_EQ(count_entries(dir_ / "mnt/many"), kEntries + 1);
}

TEST_F(MountTest, FiveHundredLayersAreOneTree) {
  MountRequest asked = request();
  asked.lowers.clear();
  for (int i = 0; i < 500; ++i) {
    dir_.write(fmt::format("l/{}/file-{}", i, i), fmt::format("{}", i));
    dir_.write(fmt::format("l/{}/all/shared", i), fmt::format("{}", i));
    asked.lowers.push_back(dir_ / fmt::format("l/{}", i));
  }
  auto mount = Mount::start(asked);
  ASSERT_TRUE(mount) << mount.error().message();

  EXPECT_EQ(count_entries(dir_ / "mnt"), 501U);
  EXPECT_EQ(dir_.read("mnt/file-499"), "499");
  EXPECT_EQ(dir_.read("mnt/all/shared"), "0");
  dir_.write("mnt/file-250", "changed");
  EXPECT_EQ(dir_.read("mnt/file-250"), "changed");
}

TEST_F(MountTest, FewDescriptorsAreEnough) {
  for (int d = 0; d < 40; ++d)
    for (int f = 0; f < 10; ++f) dir_.write(fmt::format("lower/d{}/e/f{}", d, f), fmt::format("{}.{}", d, f));
  const sys::Captured started =
      run({"sh", "-c", fmt::format("ulimit -n 64; exec '{}' -o \"$1\" \"$2\"", daemon()), "sh", option_words(), dir_ / "mnt"});
  ASSERT_TRUE(started.exit.ok()) << started.err;

  std::vector<Fd> open;
  for (int f = 0; f < 10; ++f) open.push_back(*sys::open(dir_ / fmt::format("mnt/d0/e/f{}", f), O_RDONLY));
  for (int d = 0; d < 40; ++d) {
    dir_.write(fmt::format("mnt/d{}/e/new", d), "made");
    for (int f = 0; f < 10; ++f) {
      ASSERT_EQ(dir_.read(fmt::format("mnt/d{}/e/f{}", d, f)), fmt::format("{}.{}", d, f));
      dir_.write(fmt::format("mnt/d{}/e/f{}", d, f), "changed");
    }
  }
  for (int d = 0; d < 40; ++d) ASSERT_EQ(count_entries(dir_ / fmt::format("mnt/d{}/e", d)), 11U);
  EXPECT_EQ(*sys::read_all(open[7].ref(), 100), "changed");
  open.clear();
  EXPECT_TRUE(unmount(dir_ / "mnt", false));
}

// The kernel was told on a read-only mount that nobody opens files; then it lets writers in.
TEST_F(MountTest, AReadOnlyMountThatIsRemountedTakesWrites) {
  NEED_ROOT();
  dir_.write("lower/sub/g", "also from below");
  const sys::Captured started = run({daemon(), "-o", option_words() + ",ro", dir_ / "mnt"});
  ASSERT_TRUE(started.exit.ok()) << started.err;
  for (int i = 0; i < 3; ++i) ASSERT_EQ(dir_.read("mnt/f"), "from below");
  ASSERT_EQ(count_entries(dir_ / "mnt/sub"), 1U);
  ASSERT_TRUE(sys::open(dir_ / "mnt/f", O_WRONLY).error().is(EROFS));

  ASSERT_EQ(::mount(nullptr, (dir_ / "mnt").c_str(), nullptr, MS_REMOUNT, nullptr), 0) << std::strerror(errno);

  dir_.write("mnt/f", "changed");
  const Fd g = *sys::open(dir_ / "mnt/sub/g", O_WRONLY | O_APPEND);
  ASSERT_TRUE(sys::write_full(g.ref(), ", and more"));
  dir_.write("mnt/sub/new", "made");
  EXPECT_EQ(dir_.read("mnt/f"), "changed");
  EXPECT_EQ(dir_.read("mnt/sub/g"), "also from below, and more");
  EXPECT_EQ(count_entries(dir_ / "mnt/sub"), 2U);
  EXPECT_EQ(dir_.read("upper/sub/new"), "made");
  EXPECT_EQ(dir_.read("lower/f"), "from below");
}

// Descriptors of a process whose file has no name any more.
std::size_t deleted_files_of(pid_t pid) {
  std::size_t count = 0;
  const std::string fds = fmt::format("/proc/{}/fd", pid);
  const auto dir = sys::open(fds, O_RDONLY | O_DIRECTORY);
  if (!dir) return 0;
  (void)sys::read_dir(dir->ref(), [&](const sys::DirEntry& entry) {
    const auto target = sys::readlink(FileAt{dir->ref(), entry.name.data()});
    if (target && target->ends_with(" (deleted)")) ++count;
    return true;
  });
  return count;
}

TEST_F(MountTest, AnUnlinkedFilesSpaceIsFreeWhenItIsClosed) {
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();
  {
    const Fd file = *sys::open(dir_ / "mnt/f2", O_RDWR | O_CREAT, 0600);
    ASSERT_TRUE(sys::write_full(file.ref(), "text"));
    ASSERT_EQ(::unlink((dir_ / "mnt/f2").c_str()), 0);
    char text[4];
    ASSERT_EQ(::pread(file.ref().fd, text, 4, 0), 4);
    EXPECT_GE(deleted_files_of(mount->daemon_pid()), 1U);
  }
  // The kernel's FORGET waits for no answer; each of these requests comes after it.
  for (int asked = 0; asked < 10'000 && deleted_files_of(mount->daemon_pid()) != 0; ++asked) {
    struct statvfs space {};
    ASSERT_EQ(::statvfs((dir_ / "mnt").c_str(), &space), 0);
  }
  EXPECT_EQ(deleted_files_of(mount->daemon_pid()), 0U);
}

TEST_F(MountTest, ALayerThatDisappearsIsAnErrorAndNotTheEnd) {
  dir_.write("lower/sub/deep/f", "x");
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();
  ASSERT_EQ(dir_.read("mnt/sub/deep/f"), "x");

  ASSERT_TRUE(sys::remove_tree(FileAt{kWorkingDir, (dir_ / "lower").c_str()}));

  EXPECT_FALSE(sys::open(dir_ / "mnt/f", O_WRONLY));
  EXPECT_FALSE(sys::open(dir_ / "mnt/sub/other", O_RDONLY));
  (void)count_entries(dir_ / "mnt");
  dir_.write("mnt/still", "alive");
  EXPECT_EQ(dir_.read("mnt/still"), "alive");
}

TEST_F(MountTest, AnAbortedConnectionEndsTheDaemon) {
  NEED_ROOT();
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();
  const dev_t device = stat_of_path(dir_ / "mnt").st_dev;
  dir_.mkdir("connections");
  ASSERT_TRUE(sys::mount("fusectl", (dir_ / "connections").c_str(), "fusectl", 0, nullptr));
  {
    const auto abort = sys::open(dir_ / fmt::format("connections/{}/abort", minor(device)), O_WRONLY);
    ASSERT_TRUE(abort) << abort.error().message();
    ASSERT_TRUE(sys::write_full(abort->ref(), "1"));
  }
  ASSERT_TRUE(sys::umount((dir_ / "connections").c_str(), 0));

  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(mount->daemon_pid()), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(info.si_code, CLD_EXITED);
  EXPECT_FALSE(mounted());
}

TEST_F(MountTest, AnAttributeOfALinkIntoTheMountIsSetOnTheLink) {
  NEED_ROOT();
  dir_.write("lower/target", "x");
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();
  const std::string link = dir_ / "mnt/link";
  ASSERT_EQ(::symlink((dir_ / "mnt/target").c_str(), link.c_str()), 0);

  // A daemon that follows the link waits for itself, for ever.
  const auto set = sys::set_xattr(sys::open(link, O_PATH | O_NOFOLLOW)->ref(), "trusted.mark", "y");

  ASSERT_TRUE(set) << set.error().message();
  EXPECT_EQ(*sys::get_xattr(FileAt{kWorkingDir, link.c_str()}, "trusted.mark"), "y");
  EXPECT_TRUE(sys::get_xattr(FileAt{kWorkingDir, (dir_ / "mnt/target").c_str()}, "trusted.mark").error().is(ENODATA));
}

TEST_F(MountTest, InodeNumbersOutliveCopyUpAndRemounting) {
  dir_.write("lower/d/f", "x");
  std::vector<ino_t> before;
  const auto numbers = [&] {
    std::vector<ino_t> all;
    for (const char* name : {"mnt", "mnt/d", "mnt/d/f", "mnt/f", "mnt/sub"}) all.push_back(stat_of_path(dir_ / name).st_ino);
    return all;
  };
  {
    auto mount = Mount::start(request());
    ASSERT_TRUE(mount) << mount.error().message();
    before = numbers();
    dir_.write("mnt/d/f", "copied up");
    ASSERT_EQ(::chmod((dir_ / "mnt/sub").c_str(), 0700), 0);
    EXPECT_EQ(numbers(), before);
  }
  auto again = Mount::start(request());
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(numbers(), before);
}

TEST_F(MountTest, TheNameOfTheFileSystemIsTheCallers) {
  MountRequest asked = request();
  asked.options = {"fsname=image-7"};
  auto mount = Mount::start(asked);
  ASSERT_TRUE(mount) << mount.error().message();
  EXPECT_EQ(mounted()->source, "image-7");
  EXPECT_EQ(mounted()->type, "fuse.fuse-overlay");
}

TEST_F(MountTest, GivesNoHandlesThatGoStaleWithTheCache) {
  // Linux 6.9 and libfuse 3.17 can say so.
  const std::string said = run({daemon(), "--version"}).out;
  const std::size_t at = said.find("FUSE library version ");
  ASSERT_NE(at, std::string::npos) << said;
  std::pair<int, int> library;
  ASSERT_EQ(std::sscanf(said.c_str() + at, "FUSE library version %d.%d", &library.first, &library.second), 2);
  if (library < std::pair(3, 17)) GTEST_SKIP() << "this libfuse cannot say that there are no handles";
  utsname system{};
  ASSERT_EQ(::uname(&system), 0);
  std::pair<int, int> kernel;
  ASSERT_EQ(std::sscanf(system.release, "%d.%d", &kernel.first, &kernel.second), 2);
  if (kernel < std::pair(6, 9)) GTEST_SKIP() << "this kernel gives handles of any FUSE mount";
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();
  file_handle none{};  // no room: EOVERFLOW where there are handles
  int id = 0;
  EXPECT_EQ(::name_to_handle_at(AT_FDCWD, (dir_ / "mnt/f").c_str(), &none, &id, 0), -1);
  EXPECT_EQ(errno, EOPNOTSUPP);
}

}  // namespace
}  // namespace acetate::fs
