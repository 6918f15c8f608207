// What a daemon without privileges does where its own files refuse it: the owner's bits are lent for a moment. The refusals
// are made here, so that the tests say the same to everybody.
#include <fcntl.h>

#include <atomic>
#include <functional>
#include <thread>

#include "base/sys/call.h"
#include "tests/fs/overlay_fixture.h"

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

}  // namespace
}  // namespace acetate::fs
