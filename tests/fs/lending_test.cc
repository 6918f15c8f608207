// What a daemon without privileges does where its own files refuse it: the owner's bits are lent for a moment. The refusals
// are made here, so that the tests say the same to everybody; or are the kernel's, to whom the tests are a plain user.
#include <fcntl.h>

#include <atomic>
#include <functional>
#include <thread>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "tests/fs/overlay_fixture.h"
#include "tests/support/plain_user.h"

namespace acetate::fs {
namespace {

// The first setxattr of the thread that made this is refused; `at_next` runs before its second.
class RefusedOnce final : public sys::Hook {
 public:
  explicit RefusedOnce(std::function<void()> at_next = [] {})
      : ours_(std::this_thread::get_id()), at_next_(std::move(at_next)), before_(sys::install(this)) {}
  ~RefusedOnce() override { sys::install(before_); }
  int before(sys::Call call) noexcept override {
    if (std::this_thread::get_id() != ours_) {
      if (call == sys::Call::statx) {
        others_stats.store(true);
        others_stats.notify_all();
      }
      return 0;
    }
    if (call != sys::Call::setxattr) return 0;
    if (seen_++ == 0) return EACCES;
    if (seen_ == 2) at_next_();
    return 0;
  }
  std::atomic<bool> others_stats{false};

 private:
  const std::thread::id ours_;
  std::function<void()> at_next_;
  Hook* before_;
  int seen_ = 0;
};

TEST(Lending, IsSeenByNobody) {
  Mounted m;
  ASSERT_EQ(code(m.write("f", "x")), 0);
  ASSERT_EQ(code(m.chmod("f", 0444)), 0);
  const Ino f = m.ino("f");
  mode_t seen = 0;
  std::thread somebody;
  RefusedOnce* refused = nullptr;
  RefusedOnce hook([&] {
    somebody = std::thread([&] { seen = m.overlay().getattr(f)->mode; });
    refused->others_stats.wait(false);  // while the bits are lent
  });
  refused = &hook;

  EXPECT_EQ(code(m.overlay().setxattr(f, "user.tag", "v", 0, false)), 0);
  somebody.join();

  EXPECT_EQ(seen, S_IFREG | 0444U);
  EXPECT_EQ(m.attr("f").mode, S_IFREG | 0444U);
}

TEST(Lending, LetsAReadOnlyDirectoryTakeADeletedOnesPlace) {
  Mounted m({memory_file("d/old", "x")});
  ASSERT_EQ(code(m.unlink("d/old")), 0);
  ASSERT_EQ(code(m.rmdir("d")), 0);
  ASSERT_EQ(code(m.mkdir("new", 0555)), 0);
  {
    RefusedOnce hook;
    ASSERT_EQ(code(m.rename("new", "d")), 0);
  }
  m.remount();
  EXPECT_EQ(m.attr("d").mode, S_IFDIR | 0555U);
  EXPECT_TRUE(m.names("d")->empty());
}

// To move a directory into another its ".." is written, which needs a right of the owner's in it.
class ADirectoryThatItsOwnerMayNotWrite : public ::testing::TestWithParam<bool> {
 protected:
  static MemoryEntry mine(MemoryEntry entry) {
    entry.attr.uid = ::geteuid();
    entry.attr.gid = ::getegid();
    return entry;
  }
  void mount(std::vector<MemoryEntry> lower) {
    for (MemoryEntry& entry : lower) entry = mine(std::move(entry));
    mounted_.emplace(std::move(lower), OverlayOptions{.durable = false, .force_file_whiteouts = GetParam()});
    m().caller = {.uid = ::geteuid(), .gid = ::getegid()};
  }
  Mounted& m() { return *mounted_; }
  mode_t on_disk(const std::string& path) { return sys::stat(FileAt{kWorkingDir, (m().dir() / ("upper/" + path)).c_str()})->st_mode & 07777; }

 private:
  const test::AsAPlainUser plain_;
  std::optional<Mounted> mounted_;
};

TEST_P(ADirectoryThatItsOwnerMayNotWrite, IsCopiedUp) {
  mount({memory_dir("ro", 0555), memory_dir("ro/in", 0555), memory_file("ro/in/f", "text", 0444)});
  ASSERT_EQ(code(m().chmod("ro/in/f", 0644)), 0);
  EXPECT_EQ(m().attr("ro").mode, S_IFDIR | 0555U);
  EXPECT_EQ(on_disk("ro"), 0555U);
  EXPECT_EQ(on_disk("ro/in"), 0555U);
  ASSERT_EQ(code(m().chmod("ro", 0755)), 0);
  EXPECT_EQ(on_disk("ro"), 0755U);
  EXPECT_EQ(m().upper().at("ro/in/f"), "text");
  EXPECT_TRUE(m().work().empty());
}

TEST_P(ADirectoryThatItsOwnerMayNotWrite, IsMadeOverAWhiteout) {
  mount({memory_dir("k"), memory_file("k/old", "x"), memory_file("f", "x")});
  ASSERT_EQ(code(m().unlink("k/old")), 0);
  ASSERT_EQ(code(m().rmdir("k")), 0);
  ASSERT_EQ(code(m().unlink("f")), 0);
  for (const char* name : {"k", "f"}) {
    ASSERT_EQ(code(m().mkdir(name, 0555)), 0) << name;
    EXPECT_EQ(m().attr(name).mode, S_IFDIR | 0555U) << name;
    EXPECT_EQ(on_disk(name), 0555U) << name;
  }
  m().remount();
  EXPECT_TRUE(m().names("k")->empty());
  EXPECT_TRUE(m().work().empty());
}

TEST_P(ADirectoryThatItsOwnerMayNotWrite, IsMadeOverAWhiteoutWithADefaultAcl) {
  mount({memory_dir("d"), memory_dir("d/k")});
  ASSERT_EQ(code(m().rmdir("d/k")), 0);
  // user::rwx group::r-x other::---
  const std::string acl("\2\0\0\0\1\0\7\0\xff\xff\xff\xff\4\0\5\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff", 28);
  if (!m().overlay().setxattr(m().ino("d"), "system.posix_acl_default", acl, 0, false)) GTEST_SKIP() << "no access control lists here";
  ASSERT_EQ(code(m().mkdir("d/k", 0555)), 0);
  EXPECT_EQ(on_disk("d/k"), 0550U);
}

TEST_P(ADirectoryThatItsOwnerMayNotWrite, IsRemoved) {
  mount({memory_dir("same"), memory_dir("full"), memory_file("full/old", "x")});
  ASSERT_EQ(code(m().chmod("same", 0555)), 0);
  ASSERT_EQ(code(m().unlink("full/old")), 0);
  ASSERT_EQ(code(m().chmod("full", 0555)), 0);
  for (const char* name : {"same", "full"}) {
    const Ino known = m().ino(name);
    ASSERT_EQ(code(m().rmdir(name)), 0) << name;
    EXPECT_EQ(m().overlay().getattr(known)->mode, S_IFDIR | 0555U) << name;
  }
  EXPECT_TRUE(m().merged().empty());
  m().remount();
  EXPECT_TRUE(m().merged().empty());
  EXPECT_TRUE(m().work().empty());
}

// Only one attribute can be set: what is moved becomes opaque, and what is in its way cannot.
class OneXattr final : public sys::Hook {
 public:
  OneXattr() : before_(sys::install(this)) {}
  ~OneXattr() override { sys::install(before_); }
  int before(sys::Call call) noexcept override { return call == sys::Call::setxattr && ++set_ > 1 ? ENOTSUP : 0; }

 private:
  Hook* before_;
  int set_ = 0;
};

TEST_P(ADirectoryThatItsOwnerMayNotWrite, IsReplaced) {
  for (const bool becomes_opaque : {true, false}) {
    mount({memory_dir("full"), memory_file("full/old", "x")});
    ASSERT_EQ(code(m().unlink("full/old")), 0);
    ASSERT_EQ(code(m().chmod("full", 0555)), 0);
    ASSERT_EQ(code(m().mkdir("new")), 0);
    ASSERT_EQ(code(m().mkdir("new/made", 0755)), 0);
    {
      std::optional<OneXattr> one;
      if (!becomes_opaque) one.emplace();
      ASSERT_EQ(code(m().rename("new/made", "full")), 0) << becomes_opaque;
    }
    m().remount();
    EXPECT_EQ(m().merged(), (Tree{{"full", "/"}, {"new", "/"}}));
    EXPECT_EQ(on_disk("full"), 0755U);
    EXPECT_TRUE(m().work().empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Lending, ADirectoryThatItsOwnerMayNotWrite, ::testing::Bool(), [](const auto& named) { return named.param ? "FileWhiteouts" : "DeviceWhiteouts"; });

}  // namespace
}  // namespace acetate::fs
