// fs/other_names.h: hard links of the upper whose names come and go, under a small RLIMIT_NOFILE.
#include "fs/other_names.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/resource.h>

#include "tests/fs/overlay_fixture.h"

namespace acetate::fs {
namespace {

constexpr int kFiles = 300;

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* dir = ::opendir("/proc/self/fd");
  while (::readdir(dir) != nullptr) ++count;
  ::closedir(dir);
  return count;
}

class ManyLinks : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    rlimit few = before_;
    few.rlim_cur = 128;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    m_.emplace();
    ASSERT_EQ(code(m_->mkdir("a")), 0);
    ASSERT_EQ(code(m_->mkdir("b")), 0);
    for (int i = 0; i < kFiles; ++i) {
      ASSERT_EQ(code(m_->write(at("a", i), std::to_string(i))), 0);
      ASSERT_EQ(code(m_->link(at("a", i), at("b", i))), 0);
    }
  }
  void TearDown() override {
    m_.reset();
    ::setrlimit(RLIMIT_NOFILE, &before_);
  }
  static std::string at(const std::string& dir, int i) { return dir + "/" + std::to_string(i); }
  void remove_all_of(const std::string& dir) {
    for (int i = 0; i < kFiles; ++i) ASSERT_EQ(code(m_->unlink(at(dir, i))), 0) << i;
    ASSERT_EQ(code(m_->rmdir(dir)), 0);
  }
  void expect_whole(const std::string& dir) {
    for (int i = 0; i < kFiles; ++i) EXPECT_EQ(*m_->read(at(dir, i)), std::to_string(i));
  }

  std::optional<Mounted> m_;

 private:
  rlimit before_{};
};

TEST_F(ManyLinks, OneOfTwoTreesIsRemovedAndNoDescriptorStaysForThat) {
  const std::size_t before = open_descriptors();
  remove_all_of("a");
  EXPECT_LE(open_descriptors(), before + 64);
  expect_whole("b");
}

TEST_F(ManyLinks, WhicheverTreeItIs) {
  remove_all_of("b");
  EXPECT_LE(open_descriptors(), 100U);
  expect_whole("a");
}

TEST_F(ManyLinks, NamesThatAreOnlyLookedUpCountAsWell) {
  m_->remount();
  for (int i = 0; i < kFiles; ++i) {
    ASSERT_EQ(m_->ino(at("b", i)), m_->ino(at("a", i)));
  }
  remove_all_of("b");
  EXPECT_LE(open_descriptors(), 100U);
  expect_whole("a");
}

TEST_F(ManyLinks, ANameThatMovedIsFoundWhereItIsNow) {
  ASSERT_EQ(code(m_->rename("b/0", "moved")), 0);
  ASSERT_EQ(code(m_->rename("b/1", "b/2", RENAME_EXCHANGE)), 0);
  ASSERT_EQ(code(m_->rename("b/3", "b/4")), 0);
  remove_all_of("a");
  EXPECT_EQ(*m_->read("moved"), "0");
  EXPECT_EQ(*m_->read("b/1"), "2");
  EXPECT_EQ(*m_->read("b/2"), "1");
  EXPECT_EQ(*m_->read("b/4"), "3");
  EXPECT_EQ(code(m_->read("b/3")), ENOENT);
  ASSERT_EQ(code(m_->rename("b", "c")), 0);
  EXPECT_EQ(*m_->read("c/5"), "5");
}

TEST_F(ManyLinks, AreForgottenWithAllTheirNames) {
  m_->forget_all();
  EXPECT_EQ(m_->overlay().stats().inodes, 1U);  // the root
  remove_all_of("a");
  m_->forget_all();
  EXPECT_EQ(m_->overlay().stats().inodes, 1U);
  remove_all_of("b");
}

}  // namespace
}  // namespace acetate::fs
