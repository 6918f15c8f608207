// fs/fuse/first_pages.h, on a real /dev/fuse.
#include "fs/fuse/first_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <barrier>
#include <span>
#include <thread>
#include <vector>

#include "fs/fuse/kernel_release.h"
#include "tests/fs/fuse/mount_fixture.h"
#include "tests/support/page_cache.h"

namespace acetate::fs {
namespace {

class FirstPagesMountTest : public MountTest {
 protected:
  void SetUp() override {
    MountTest::SetUp();
    if (IsSkipped()) return;
    if (!may_give_ends(kernel_release())) GTEST_SKIP() << "this kernel is given whole pages only: " << kernel_release();
    NEED_READS_WITHOUT_WAITING(dir_);
  }
  void start() {
    auto made = Mount::start(request());
    ASSERT_TRUE(made) << made.error().message();
    mount_.emplace(*std::move(made));
  }
  std::string path(const std::string& name) const { return dir_ / ("mnt/" + name); }
  Fd open(const std::string& name, int flags) const {
    auto fd = sys::open(path(name), flags);
    EXPECT_TRUE(fd) << name << ": " << fd.error().message();
    return fd ? *std::move(fd) : Fd();
  }
  std::string content(const Fd& file) const {
    std::string bytes(64 << 10, '\0');
    auto count = sys::pread_full(file.ref(), std::as_writable_bytes(std::span(bytes)), 0);
    EXPECT_TRUE(count) << count.error().message();
    bytes.resize(count ? *count : 0);
    return bytes;
  }

  std::optional<Mount> mount_;
};

TEST_F(FirstPagesMountTest, ASmallFileIsReadWithoutAReadRequest) {
  start();

  EXPECT_EQ(content(open("f", O_RDONLY)), "from below");
  EXPECT_EQ(requests("read"), 0U);
  EXPECT_EQ(counted("given_bytes_total"), 10U);
}

TEST_F(FirstPagesMountTest, WhatLiesBehindTheEndOfAMappedFileIsZero) {
  start();
  const Fd file = open("f", O_RDONLY);
  const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.ref().fd, 0);
  ASSERT_NE(mapped, MAP_FAILED);

  const std::string page(static_cast<const char*>(mapped), size);
  ::munmap(mapped, size);

  EXPECT_EQ(page, "from below" + std::string(size - 10, '\0'));
  EXPECT_EQ(requests("read"), 0U);
}

TEST_F(FirstPagesMountTest, AProgramRunsWithoutAReadRequest) {
  auto program = sys::find_program("true");
  ASSERT_TRUE(program);
  ASSERT_EQ(run({"cp", *program, dir_ / "lower/true"}).exit.shell_code(), 0);
  start();

  EXPECT_EQ(run({path("true")}).exit.shell_code(), 0);

  EXPECT_EQ(requests("read"), 0U);
}

// Each file is opened for the first time by a reader, a writer and somebody who truncates it, at once.
TEST_F(FirstPagesMountTest, NobodySeesOldBytesWhoReadsAfterSomebodyWrote) {
  constexpr int kFiles = 400;
  const std::string old(6000, 'o'), fresh(5000, 'n');
  for (int i = 0; i < kFiles; ++i) dir_.write("lower/sub/" + std::to_string(i), old);
  start();
  std::barrier together(3);
  std::array<std::vector<Fd>, 2> early;
  const auto name = [](int i) { return "sub/" + std::to_string(i); };
  std::array<std::thread, 2> readers;
  for (std::size_t who = 0; who < readers.size(); ++who)
    readers[who] = std::thread([&, who] {
      for (int i = 0; i < kFiles; ++i) {
        together.arrive_and_wait();
        early[who].push_back(open(name(i), O_RDONLY));
        (void)content(early[who].back());
      }
    });
  for (int i = 0; i < kFiles; ++i) {
    together.arrive_and_wait();
    // Half of them without opening it to write: what is left is cut off first.
    if (i % 2 == 0) {
      EXPECT_EQ(::truncate(path(name(i)).c_str(), 0), 0);
    }
    const Fd writer = open(name(i), O_WRONLY);
    const auto written = sys::pwrite(writer.ref(), std::as_bytes(std::span(fresh)), 0);
    EXPECT_TRUE(written && *written == fresh.size());
  }
  for (std::thread& reader : readers) reader.join();

  for (int i = 0; i < kFiles; ++i) {
    const std::string wanted = i % 2 == 0 ? fresh : fresh + old.substr(fresh.size());
    for (const auto& files : early) EXPECT_EQ(content(files[static_cast<std::size_t>(i)]), wanted) << i;
    EXPECT_EQ(content(open(name(i), O_RDONLY)), wanted) << i;
  }
}

}  // namespace
}  // namespace acetate::fs
