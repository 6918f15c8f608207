// Mounts that sync nothing, and who mounts their uppers again.
#include <gmock/gmock.h>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "tests/fs/overlay_fixture.h"

namespace acetate::fs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<MemoryEntry> kNothingBelow;

std::string dirty_mark(const Mounted& m) { return *sys::read_file(m.dir() / "work/work/incompat/volatile/dirty", 100); }

TEST(Volatile, LeavesTheMarkThatTheKernelsOverlayLeaves) {
  Mounted m(kNothingBelow, {.durable = false, .leaves_mark = true});
  EXPECT_EQ(dirty_mark(m), *sys::read_file("/proc/sys/kernel/random/boot_id", 100));
  EXPECT_THAT(m.work(), ElementsAre("incompat"));
  // As long as the machine runs nothing is lost: it goes on.
  ASSERT_EQ(code(m.write("f", "text")), 0);
  m.remount();
  EXPECT_EQ(*m.read("f"), "text");
  EXPECT_EQ(dirty_mark(m), *sys::read_file("/proc/sys/kernel/random/boot_id", 100));
  EXPECT_THAT(Mounted(kNothingBelow, {.durable = false}).work(), IsEmpty());  // fsync=0
}

TEST(Volatile, WhatItWroteIsSyncedBeforeTheMarkGoes) {
  Mounted m(kNothingBelow, {.durable = false, .leaves_mark = true});
  struct Order final : sys::Hook {
    Order() { sys::install(this); }
    ~Order() override { sys::install(nullptr); }
    int before(sys::Call call) noexcept override {
      if (call == sys::Call::syncfs) synced = true;
      if (call == sys::Call::unlinkat && !synced) removed_before = true;
      return 0;
    }
    bool synced = false, removed_before = false;
  };
  {
    const Order order;
    ASSERT_EQ(code(m.try_remount_over({}, OverlayOptions{})), 0);
    EXPECT_TRUE(order.synced);
    EXPECT_FALSE(order.removed_before);
  }
  EXPECT_THAT(m.work(), IsEmpty());
  const Order order;
  ASSERT_EQ(code(m.try_remount()), 0);
  EXPECT_FALSE(order.synced);  // there is nothing to sync
}

TEST(Volatile, AMarkOfAnotherRunOfTheMachineIsRefusedAndSoIsOneOfTheKernel) {
  for (const char* mark : {"", "01234567-89ab-cdef-0123-456789abcdef\n"}) {
    for (const bool again_volatile : {false, true}) {
      Mounted m(kNothingBelow, {.durable = !again_volatile, .leaves_mark = again_volatile});
      m.dir().mkdir("work/work/incompat");
      m.dir().mkdir("work/work/incompat/volatile");
      m.dir().write("work/work/incompat/volatile/dirty", mark);

      const auto again = m.try_remount();

      ASSERT_EQ(code(again), EINVAL);
      EXPECT_THAT(again.error().message(), HasSubstr("work/incompat/volatile"));
      EXPECT_TRUE(m.dir().exists("work/work/incompat/volatile"));  // nothing was emptied
    }
  }
}

TEST(Volatile, AnotherMarkIsRefusedByItsName) {
  Mounted m(kNothingBelow, {.durable = false, .leaves_mark = true});
  m.dir().mkdir("work/work/incompat/later");
  const auto again = m.try_remount();
  ASSERT_EQ(code(again), EINVAL);
  EXPECT_THAT(again.error().message(), HasSubstr("work/incompat/later"));
}

}  // namespace
}  // namespace acetate::fs
