#include "builder/sandbox/device_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/sys/file.h"
#include "tests/support/temp_dir.h"

namespace acetate::sandbox {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(DeviceTree, OfOurDevHasItsDevicesAndNoLinks) {
  constexpr std::string_view kSkipped[] = {"pts", "zero"};
  const auto found = list_devices("/dev", kSkipped);

  ASSERT_TRUE(found) << found.error().message();
  EXPECT_THAT(*found, Contains("null"));
  for (const char* none : {"zero", "stdin", "pts/ptmx", "fd/0"}) EXPECT_THAT(*found, Not(Contains(none)));
}

TEST(DeviceTree, GoesDown) {
  const test::TempDir dir;
  for (const char* name : {"snd", "snd/by-path", "zero"}) dir.mkdir(name);
  dir.write("snd/file", "");
  ASSERT_TRUE(sys::symlink("/dev/null", {kWorkingDir, (dir / "snd/link").c_str()}));
  EXPECT_THAT(*list_devices(dir / "."), IsEmpty());
  for (const char* name : {"snd/timer", "snd/by-path/card", "zero/below"})
    if (const auto made = sys::mknod({kWorkingDir, (dir / name).c_str()}, S_IFCHR | 0600, makedev(1, 3)); !made)
      GTEST_SKIP() << "no device can be made here: " << made.error().message();
  constexpr std::string_view kSkipped[] = {"zero"};

  EXPECT_THAT(*list_devices(dir / "."), ElementsAre("snd/by-path/card", "snd/timer", "zero/below"));
  EXPECT_THAT(*list_devices(dir / ".", kSkipped), ElementsAre("snd/by-path/card", "snd/timer"));
  EXPECT_FALSE(list_devices(dir / "absent"));
}

}  // namespace
}  // namespace acetate::sandbox
