// Bytes that come to us by a way of the kernel's own choosing: pages of a mapping, and what a handle that appends writes where it is told. Each with files passed through
// where that is possible, without, and with writeback caching.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

#include "tests/fs/fuse/mount_fixture.h"

namespace acetate::fs {
namespace {

class MappingTest : public MountTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    MountTest::SetUp();
    if (IsSkipped()) return;
    MountRequest how = request();
    if (*GetParam() != '\0') how.options.emplace_back(GetParam());
    auto mount = Mount::start(how);
    ASSERT_TRUE(mount) << mount.error().message();
    mount_.emplace(*std::move(mount));
  }
  void TearDown() override {
    mount_.reset();
    MountTest::TearDown();
  }
  Fd opened(const std::string& name, int flags) const {
    auto file = sys::open(dir_ / name, flags, 0644);
    EXPECT_TRUE(file) << name << ": " << file.error().message();
    return file ? *std::move(file) : Fd();
  }
  // The file's first bytes, for as long as it lives.
  struct Mapped {
    explicit Mapped(FdRef file, std::size_t bytes) : size(bytes), at(static_cast<char*>(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0))) {
      EXPECT_NE(at, MAP_FAILED);
    }
    Mapped(const Mapped&) = delete;
    Mapped& operator=(const Mapped&) = delete;
    ~Mapped() { ::munmap(at, size); }
    void sync() const { EXPECT_EQ(::msync(at, size, MS_SYNC), 0); }
    std::size_t size;
    char* at;
  };
  std::optional<Mount> mount_;
};

TEST_P(MappingTest, WhatIsMappedOfAHandleThatAppendsIsWrittenWhereItIs) {
  // One that was made, and one that came from below and is held by a reader, so that it is not passed through.
  const Fd reader = opened("mnt/f", O_RDONLY);
  for (const char* name : {"mnt/new", "mnt/f"}) {
    const Fd file = opened(name, O_RDWR | O_APPEND | O_CREAT);
    ASSERT_EQ(::write(file.ref().fd, "tail", 4), 4);
    const std::string before = dir_.read(name);
    const Mapped mapped(file.ref(), before.size());
    mapped.at[0] = 'B';
    mapped.sync();
    EXPECT_EQ(dir_.read(name), "B" + before.substr(1));
    EXPECT_EQ(dir_.read("upper" + std::string(name).substr(3)), "B" + before.substr(1));
    ASSERT_EQ(::write(file.ref().fd, "end", 3), 3);
    EXPECT_EQ(dir_.read(name), "B" + before.substr(1) + "end");
  }
}

TEST_P(MappingTest, AHandleThatAppendsNoMoreWritesWhereItIsTold) {
  // Of a file that it passes through the kernel keeps the flags that it was opened with (fs/fuse/passthrough.c, fuse_passthrough_open()): here a reader keeps it from that.
  const Fd reader = opened("mnt/f", O_RDONLY);
  const Fd file = opened("mnt/f", O_RDWR | O_APPEND);
  ASSERT_EQ(::fcntl(file.ref().fd, F_SETFL, 0), 0);
  ASSERT_EQ(::pwrite(file.ref().fd, "B", 1, 0), 1);
  EXPECT_EQ(dir_.read("mnt/f"), "Brom below");
  ASSERT_EQ(::fcntl(file.ref().fd, F_SETFL, O_APPEND), 0);
  ASSERT_EQ(::write(file.ref().fd, "!", 1), 1);
  EXPECT_EQ(dir_.read("mnt/f"), "Brom below!");
  ASSERT_EQ(::fsync(file.ref().fd), 0);
  EXPECT_EQ(dir_.read("upper/f"), "Brom below!");
}

TEST_P(MappingTest, WhatIsMappedAndNotWrittenYetIsNoHole) {
  constexpr off_t kSize = 1 << 20;
  const Fd file = opened("mnt/sparse", O_RDWR | O_CREAT);
  ASSERT_EQ(::ftruncate(file.ref().fd, kSize), 0);
  const Mapped mapped(file.ref(), kSize);
  std::fill(mapped.at, mapped.at + kSize, 'x');
  const Fd reader = opened("mnt/sparse", O_RDONLY);
  EXPECT_EQ(::lseek(reader.ref().fd, 0, SEEK_DATA), 0);
  EXPECT_EQ(::lseek(reader.ref().fd, 0, SEEK_HOLE), kSize);
  EXPECT_EQ(::lseek(reader.ref().fd, kSize, SEEK_DATA), -1);
}

TEST_P(MappingTest, WhatIsWrittenAndNotHereYetIsNoHole) {
  const Fd file = opened("mnt/sparse", O_WRONLY | O_CREAT);
  ASSERT_EQ(::pwrite(file.ref().fd, "x", 1, 1 << 20), 1);
  const Fd reader = opened("mnt/sparse", O_RDONLY);
  EXPECT_NE(::lseek(reader.ref().fd, 1 << 20, SEEK_DATA), -1);
}

TEST_P(MappingTest, PagesOfAMappingTakeNoSuidAway) {
  const Fd reader = opened("mnt/f", O_RDONLY);
  for (const char* name : {"mnt/new", "mnt/f"}) {
    const Fd file = opened(name, O_RDWR | O_CREAT);
    ASSERT_EQ(::ftruncate(file.ref().fd, 100), 0);
    {
      const Mapped mapped(file.ref(), 100);
      mapped.at[0] = 'x';
      ASSERT_EQ(::fchmod(file.ref().fd, 06755), 0);
      mapped.sync();
    }
    struct stat st {};
    ASSERT_EQ(::stat((dir_ / name).c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 06755U) << name;
    ASSERT_EQ(::stat((dir_ / ("upper" + std::string(name).substr(3))).c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 06755U) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(With, MappingTest, ::testing::Values("", "passthrough=off", "writeback=1", "no_open"), [](const auto& tried) {
  std::string name = *tried.param == '\0' ? "defaults" : tried.param;
  std::ranges::replace_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

// The daemon has the limits of whoever started it, its callers have their own.
TEST_F(MountTest, ALimitToTheSizeOfFilesEndsNoMount) {
  const auto started = run({"sh", "-c", "ulimit -S -f 100; exec \"$@\"", "sh", daemon(), "-o", option_words(), dir_ / "mnt"});
  ASSERT_EQ(started.exit.code, 0) << started.err;
  const Fd file = *sys::open(dir_ / "mnt/large", O_WRONLY | O_CREAT, 0644);
  const std::string bytes(1 << 20, 'x');
  EXPECT_EQ(::write(file.ref().fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(dir_.read("mnt/f"), "from below");
}

TEST_F(MountTest, AFileTooLargeForTheDaemonIsAnError) {
  MountRequest how = request();
  how.options.emplace_back("passthrough=off");
  const auto started = run({"sh", "-c", "ulimit -f 100; exec \"$@\"", "sh", daemon(), "-o", option_line(how), dir_ / "mnt"});
  ASSERT_EQ(started.exit.code, 0) << started.err;
  const Fd file = *sys::open(dir_ / "mnt/large", O_WRONLY | O_CREAT, 0644);
  const std::string bytes(1 << 20, 'x');
  const ssize_t written = ::write(file.ref().fd, bytes.data(), bytes.size());
  if (written < 0) EXPECT_EQ(errno, EFBIG);
  else EXPECT_LT(written, static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(dir_.read("mnt/f"), "from below");
}

}  // namespace
}  // namespace acetate::fs
