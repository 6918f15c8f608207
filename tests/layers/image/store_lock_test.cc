// Who uses a store and who removes from it, each a process of its own.
#include "layers/image/store_lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>

#include "base/sys/file.h"
#include "base/sys/process.h"
#include "tests/support/temp_dir.h"

namespace acetate::image {
namespace {

using namespace std::chrono_literals;

class StoreLock : public ::testing::Test {
 protected:
  // A process that does this and ends.
  static pid_t process(const std::function<void()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      work();
      ::_exit(0);
    }
    return child;
  }
  void say(const char* word) const { (void)sys::write_full(said_.write.ref(), std::string_view(word, 1)); }
  char heard() const {
    std::byte word{};
    EXPECT_TRUE(sys::read(said_.read.ref(), {&word, 1}));
    return static_cast<char>(word);
  }
  // Whether who comes now waits outside.
  bool is_closed() const {
    const auto turn = sys::open(tmp_ / ".acetate-turn", O_RDONLY);
    return turn && !sys::flock(turn->ref(), LOCK_SH | LOCK_NB);
  }
  static void end(pid_t process) { ASSERT_EQ(::waitpid(process, nullptr, 0), process); }

  test::TempDir tmp_;
  std::string dir_ = tmp_ / "";
  sys::Pipe said_ = *sys::make_pipe();
};

TEST_F(StoreLock, WhoComesWhileSomebodyWaitsToBeAloneComesAfterHim) {
  const sys::Pipe go = *sys::make_pipe();
  const auto wait_to_go = [&] {
    std::byte word{};
    (void)sys::read(go.read.ref(), {&word, 1});
  };
  const pid_t user = process([&] {
    const auto held = hold_store(dir_, true);
    say("U");
    wait_to_go();
    const auto again = hold_store(dir_, true);
    say("S");
    wait_to_go();
  });
  ASSERT_EQ(heard(), 'U');
  const pid_t alone = process([&] {
    const auto lock = take_store_alone(dir_, true);
    say("A");
    std::this_thread::sleep_for(50ms);  // if anybody else came in now, he would say so
    say("a");
  });
  while (!is_closed()) std::this_thread::sleep_for(5ms);
  const pid_t next = process([&] {
    const auto held = hold_store(dir_, true);
    say("N");
  });
  std::this_thread::sleep_for(200ms);
  ASSERT_TRUE(sys::write_full(go.write.ref(), std::string_view("g")));
  EXPECT_EQ(heard(), 'S') << "who is in may come in once more";
  EXPECT_TRUE(is_closed());
  ASSERT_TRUE(sys::write_full(go.write.ref(), std::string_view("g")));

  EXPECT_EQ(heard(), 'A');
  EXPECT_EQ(heard(), 'a');
  EXPECT_EQ(heard(), 'N');
  for (const pid_t each : {user, alone, next}) end(each);
}

TEST_F(StoreLock, NobodyIsAloneWhileItIsHeld) {
  const auto held = *hold_store(dir_, true);
  EXPECT_TRUE(take_store_alone(dir_, false).error().is(EWOULDBLOCK));
}

}  // namespace
}  // namespace acetate::image
