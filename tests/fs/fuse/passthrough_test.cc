// fs/fuse/passthrough.h, on a real /dev/fuse: files of the upper that the kernel reads and writes by itself.
#include "fs/fuse/passthrough.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "fs/fuse/kernel_release.h"
#include "fs/fuse/privileges.h"
#include "tests/fs/fuse/mount_fixture.h"

#ifdef FUSE_CAP_PASSTHROUGH

namespace acetate::fs {
namespace {

class PassthroughTest : public MountTest {
 protected:
  void SetUp() override {
    MountTest::SetUp();
    if (IsSkipped()) return;
    if (!have(CAP_SYS_ADMIN)) GTEST_SKIP() << "needs root in the first user namespace";
    if (!may_pass_through(kernel_release())) GTEST_SKIP() << "this kernel passes nothing through: " << kernel_release();
    struct statfs space {};
    ASSERT_EQ(::statfs(dir_.path().c_str(), &space), 0);
    if (space.f_type == OVERLAYFS_SUPER_MAGIC) GTEST_SKIP() << "temporary files lie on an overlay: set TMPDIR to another place";
  }
  void start(MountRequest how) {
    auto made = Mount::start(how);
    ASSERT_TRUE(made) << made.error().message();
    mount_.emplace(*std::move(made));
  }
  void start() { start(request()); }
  std::string path(const char* name) const { return dir_ / (std::string("mnt/") + name); }
  Fd open(const char* name, int flags, mode_t mode = 0644) const {
    auto fd = sys::open(path(name), flags, mode);
    EXPECT_TRUE(fd) << name << ": " << fd.error().message();
    return fd ? *std::move(fd) : Fd();
  }
  struct stat stat(const char* name) const {
    struct stat st {};
    EXPECT_EQ(::stat(path(name).c_str(), &st), 0) << name;
    return st;
  }
  std::uint64_t passed() const { return counted("passed_files_total"); }

  // The kernel tells of a close in its own time.
  void all_closed() const {
    while (asked("stat json").find("\"handles\": 0,") == std::string::npos) ::usleep(1000);
  }

  std::optional<Mount> mount_;
};

std::string read_all(const Fd& file) {
  char text[4096];
  const ssize_t count = ::pread(file.ref().fd, text, sizeof text, 0);
  return {text, static_cast<std::size_t>(count > 0 ? count : 0)};
}
bool write_at(const Fd& file, off_t offset, std::string_view text) {
  return ::pwrite(file.ref().fd, text.data(), text.size(), offset) == static_cast<ssize_t>(text.size());
}

// One page of a file, shared.
class Mapped {
 public:
  Mapped(const Fd& file, int protection)
      : at_(static_cast<char*>(::mmap(nullptr, 4096, protection, MAP_SHARED, file.ref().fd, 0))) {
    EXPECT_NE(static_cast<void*>(at_), MAP_FAILED);
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  ~Mapped() { ::munmap(at_, 4096); }
  char* at() { return at_; }

 private:
  char* at_;
};

TEST_F(PassthroughTest, AFileOfTheUpperIsWrittenReadAndMappedWithoutUs) {
  start();
  const Fd file = open("new", O_RDWR | O_CREAT | O_EXCL);
  const std::string text(8192, 'x');

  EXPECT_TRUE(write_at(file, 0, text));
  EXPECT_EQ(read_all(file), text.substr(0, 4096));
  EXPECT_EQ(read_all(open("new", O_RDONLY)), text.substr(0, 4096));
  Mapped(file, PROT_READ | PROT_WRITE).at()[1] = 'm';

  EXPECT_EQ(stat("new").st_size, 8192);
  EXPECT_EQ(dir_.read("upper/new").substr(0, 3), "xmx");
  EXPECT_EQ(passed(), 1U);
  EXPECT_EQ(requests("read") + requests("write"), 0U);
}

TEST_F(PassthroughTest, ALowerFileIsNeverWrittenHoweverItIsOpen) {
  start();
  {
    const Fd before = open("f", O_RDONLY);
    Mapped seen(before, PROT_READ);
    EXPECT_EQ(read_all(before), "from below");
    const Fd writer = open("f", O_RDWR);  // copies up
    EXPECT_TRUE(write_at(writer, 0, "FROM ABOVE"));
    EXPECT_EQ(read_all(before), "FROM ABOVE");
    EXPECT_EQ(std::string(seen.at(), 10), "FROM ABOVE");
    Mapped(writer, PROT_READ | PROT_WRITE).at()[0] = 'f';
    EXPECT_EQ(read_all(before), "fROM ABOVE");
    const Fd second = open("f", O_WRONLY | O_APPEND);
    EXPECT_TRUE(write_at(second, 0, "!"));
    EXPECT_EQ(read_all(before), "fROM ABOVE!");
    EXPECT_EQ(passed(), 0U);  // somebody has had it open since it was the lower's
  }
  EXPECT_EQ(dir_.read("lower/f"), "from below");
  all_closed();
  const Fd again = open("f", O_RDWR);
  EXPECT_EQ(passed(), 1U);
  EXPECT_TRUE(write_at(again, 0, "F"));
  EXPECT_EQ(dir_.read("lower/f"), "from below");
  EXPECT_EQ(dir_.read("upper/f"), "FROM ABOVE!");
}

TEST_F(PassthroughTest, TheTimesOfWritingThroughAMappingAreSeen) {
  start();
  dir_.write("mnt/new", std::string(4096, 'x'));
  const timespec long_ago[2] = {{1000, 0}, {1000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path("new").c_str(), long_ago, 0), 0);
  ASSERT_EQ(stat("new").st_mtime, 1000);

  all_closed();
  const std::uint64_t before = passed();
  Fd file = open("new", O_RDWR);
  EXPECT_EQ(passed(), before + 1);
  Mapped page(file, PROT_READ | PROT_WRITE);
  file.reset();  // the mapping is there all the same
  all_closed();
  EXPECT_EQ(stat("new").st_mtime, 1000);
  page.at()[0] = 'y';
  ASSERT_EQ(::msync(page.at(), 4096, MS_SYNC), 0);

  EXPECT_GT(stat("new").st_mtime, 1000);
}

TEST_F(PassthroughTest, AFileThatIsMappedIsReadAsItIsThere) {
  start();
  dir_.write("mnt/new", std::string(4096, 'x'));
  all_closed();
  Fd file = open("new", O_RDWR);
  ASSERT_EQ(::posix_fadvise(file.ref().fd, 0, 0, POSIX_FADV_WILLNEED), 0);
  Mapped page(file, PROT_READ | PROT_WRITE);
  file.reset();
  all_closed();
  const Fd reader = open("new", O_RDONLY);
  EXPECT_EQ(read_all(reader)[0], 'x');
  page.at()[0] = 'y';
  EXPECT_EQ(read_all(reader)[0], 'y');
}

TEST_F(PassthroughTest, ADirectHandleNeedNotBeAligned) {
  start();
  {
    const Fd alone = open("new", O_RDWR | O_CREAT | O_DIRECT);
    EXPECT_TRUE(write_at(alone, 3, "unaligned"));
    EXPECT_EQ(passed(), 0U);
  }
  all_closed();
  const Fd plain = open("new", O_RDWR);
  EXPECT_EQ(passed(), 1U);
  const Fd beside = open("new", O_RDWR | O_DIRECT);
  EXPECT_TRUE(write_at(beside, 5, "UN"));
  EXPECT_EQ(read_all(plain).substr(3), "unUNigned");
  EXPECT_EQ(read_all(beside).substr(3), "unUNigned");
  // As dd does with a last block that is short.
  ASSERT_EQ(::fcntl(beside.ref().fd, F_SETFL, 0), 0);
  EXPECT_TRUE(write_at(beside, 12, "!"));
  EXPECT_EQ(read_all(plain).substr(3), "unUNigned!");
  EXPECT_EQ(stat("new").st_size, 13);
}

TEST_F(PassthroughTest, WhatNobodyWantsOnTheDiskIsNotSynced) {
  MountRequest how = request();
  how.options.emplace_back("volatile");
  start(how);
  {
    const Fd synced = open("new", O_RDWR | O_CREAT | O_DSYNC);
    EXPECT_TRUE(write_at(synced, 0, "x"));
    EXPECT_EQ(passed(), 0U);
  }
  all_closed();
  const Fd plain = open("new", O_RDWR);
  EXPECT_EQ(passed(), 1U);
  const std::uint64_t before = requests("write");
  EXPECT_TRUE(write_at(open("new", O_WRONLY | O_SYNC), 0, "y"));
  while (requests("write") == before) ::usleep(1000);
  EXPECT_EQ(requests("write"), before + 1);
  EXPECT_EQ(read_all(plain), "y");
}

TEST_F(PassthroughTest, WhatWasJustWrittenIsCopiedTruncatedAndAllocated) {
  start();
  const Fd from = open("from", O_RDWR | O_CREAT);
  const Fd to = open("to", O_RDWR | O_CREAT);
  EXPECT_TRUE(write_at(from, 0, "just written"));
  EXPECT_EQ(::copy_file_range(from.ref().fd, nullptr, to.ref().fd, nullptr, 100, 0), 12);
  EXPECT_EQ(read_all(to), "just written");
  EXPECT_EQ(stat("to").st_size, 12);
  Mapped page(to, PROT_READ | PROT_WRITE);
  page.at()[0] = 'J';
  ASSERT_EQ(::ftruncate(to.ref().fd, 4), 0);
  EXPECT_EQ(read_all(to), "Just");
  ASSERT_EQ(::fallocate(to.ref().fd, 0, 0, 8), 0);
  EXPECT_EQ(read_all(to), std::string("Just\0\0\0\0", 8));
  EXPECT_EQ(stat("to").st_size, 8);
  EXPECT_EQ(passed(), 2U);
}

TEST_F(PassthroughTest, AFileWithoutANameAndOneWithTwoAreOneFile) {
  start();
  const Fd nameless = open("", O_RDWR | O_TMPFILE);
  EXPECT_TRUE(write_at(nameless, 0, "nameless"));
  EXPECT_EQ(read_all(nameless), "nameless");
  const Fd first = open("first", O_RDWR | O_CREAT);
  ASSERT_EQ(::link(path("first").c_str(), path("second").c_str()), 0);
  const Fd second = open("second", O_RDWR);
  EXPECT_TRUE(write_at(first, 0, "one"));
  EXPECT_EQ(read_all(second), "one");
  ASSERT_EQ(::unlink(path("first").c_str()), 0);
  EXPECT_TRUE(write_at(second, 0, "two"));
  EXPECT_EQ(read_all(first), "two");
  EXPECT_EQ(passed(), 2U);
}

TEST_F(PassthroughTest, NoAccessTimesAreKept) {
  start();
  dir_.write("mnt/new", "x");
  const timespec long_ago[2] = {{1000, 0}, {2000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path("new").c_str(), long_ago, 0), 0);
  all_closed();
  const std::uint64_t before = passed();
  EXPECT_EQ(read_all(open("new", O_RDONLY)), "x");
  EXPECT_EQ(passed(), before + 1);
  EXPECT_EQ(stat("new").st_atime, 1000);
  struct stat st {};
  ASSERT_EQ(::stat((dir_ / "upper/new").c_str(), &st), 0);
  EXPECT_EQ(st.st_atime, 1000);
}

TEST_F(PassthroughTest, SuidThatWasGivenWhileTheFileWasOpenGoesWithAWriteOfSomebody) {
  start();
  const Fd file = open("program", O_WRONLY | O_CREAT | O_EXCL, 0755);
  EXPECT_EQ(passed(), 1U);
  ASSERT_EQ(::chmod(path("program").c_str(), 04755), 0);
  EXPECT_EQ(stat("program").st_mode & 07777, 04755U);

  const pid_t child = ::fork();
  if (child == 0) ::_exit(::setresuid(kSomebody, kSomebody, kSomebody) == 0 && write_at(file, 0, "x") ? 0 : 1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);

  EXPECT_EQ(stat("program").st_mode & 07777, 0755U);
  struct stat st {};
  ASSERT_EQ(::stat((dir_ / "upper/program").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0755U);
}

TEST_F(PassthroughTest, SuidAndSgidStayWithAWriteOfRoot) {
  start();
  const Fd before = open("program", O_WRONLY | O_CREAT | O_EXCL, 0755);
  ASSERT_EQ(::chmod(path("program").c_str(), 06755), 0);
  EXPECT_TRUE(write_at(before, 0, "x"));
  const Fd after = open("program", O_WRONLY);
  EXPECT_TRUE(write_at(after, 0, "y"));
  EXPECT_EQ(passed(), 1U);
  EXPECT_EQ(stat("program").st_mode & 07777, 06755U);
  struct stat st {};
  ASSERT_EQ(::stat((dir_ / "upper/program").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 06755U);
}

TEST_F(PassthroughTest, WhatIsOpenedAndClosedAtOnceInEveryWayIsNeverRefused) {
  for (int i = 0; i < 8; ++i) dir_.write(fmt::format("lower/sub/{}", i), "from below");
  start();
  std::vector<std::thread> threads;
  std::atomic<int> refused{0};
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&, thread] {
      unsigned state = static_cast<unsigned>(thread) + 1;
      for (int i = 0; i < 1500; ++i) {
        state = state * 1103515245U + 12345U;
        const std::string file = dir_ / fmt::format("mnt/sub/{}", (state >> 16) % 8);
        constexpr int kWays[] = {O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR | O_APPEND, O_RDWR | O_TRUNC};
        const auto fd = sys::open(file, kWays[(state >> 20) % 5] | O_CREAT, 0644);
        if (!fd) {
          ++refused;
          ADD_FAILURE() << file << ": " << fd.error().message();
          continue;
        }
        char byte = 'b';
        (void)!::pread(fd->ref().fd, &byte, 1, 0);
        (void)!::pwrite(fd->ref().fd, &byte, 1, 0);
        if ((state >> 24) % 64 == 0) (void)::unlink(file.c_str());
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(refused.load(), 0);
  EXPECT_GT(passed(), 0U);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(dir_.read(fmt::format("lower/sub/{}", i)), "from below");
}

TEST_F(PassthroughTest, AnUpperThatLiesOnAnOverlayIsServedByUs) {
  for (const char* name : {"deep/lower", "deep/upper", "deep/work", "deep/merged"}) dir_.mkdir(name);
  // An upper needs attributes that a tmpfs may not have; what the kernel refuses here is no matter of ours.
  const std::string options = fmt::format("lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work", dir_ / "deep");
  if (::mount("overlay", (dir_ / "deep/merged").c_str(), "overlay", 0, options.c_str()) != 0) GTEST_SKIP() << "the kernel's overlay cannot be mounted here";
  dir_.mkdir("deep/merged/upper");
  dir_.mkdir("deep/merged/work");
  MountRequest how = request();
  how.upper = dir_ / "deep/merged/upper";
  how.work = dir_ / "deep/merged/work";
  start(how);
  dir_.write("mnt/new", "written");
  EXPECT_EQ(dir_.read("mnt/new"), "written");
  EXPECT_EQ(dir_.read("deep/merged/upper/new"), "written");
  EXPECT_THAT(asked("stat json"), ::testing::HasSubstr("\"passed_files\": 0,"));
  mount_.reset();
  EXPECT_EQ(::umount2((dir_ / "deep/merged").c_str(), MNT_DETACH), 0);
}

TEST_F(PassthroughTest, IsLeftOutWhereThatIsAskedFor) {
  MountRequest how = request();
  how.options.emplace_back("passthrough=off");
  start(how);
  dir_.write("mnt/new", "written");
  EXPECT_EQ(dir_.read("mnt/new"), "written");
  EXPECT_THAT(asked("stat json"), ::testing::HasSubstr("\"passed_files\": 0,"));
  while (requests("write") == 0) ::usleep(1000);
}

}  // namespace
}  // namespace acetate::fs

#endif
