#include "builder/sandbox/surroundings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "builder/sandbox/masks.h"
#include "tests/support/temp_dir.h"

namespace acetate::sandbox {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(Throttles, AreThoseOfTheProcessorsThatHaveOne) {
  const test::TempDir dir;
  for (const char* each : {"cpu0/thermal_throttle", "cpu11/thermal_throttle", "cpu2", "cpufreq/thermal_throttle", "power/thermal_throttle"})
    std::filesystem::create_directories(dir.path() + "/" + each);

  EXPECT_THAT(throttles_below(dir.path()), ElementsAre(dir.path() + "/cpu0/thermal_throttle", dir.path() + "/cpu11/thermal_throttle"));
  EXPECT_THAT(throttles_below(dir.path() + "/none"), IsEmpty());
}

TEST(Throttles, AreMaskedUnlessAskedFor) {
  const Surroundings around{.throttles = {"/sys/devices/system/cpu/cpu0/thermal_throttle"}};
  const std::string path = around.throttles[0];

  EXPECT_THAT(masked_paths({}, around), Contains(path));
  EXPECT_THAT(masked_paths({.unmasked = {path}}, around), Not(Contains(path)));
  EXPECT_THAT(masked_paths({.default_masks = false}, around), IsEmpty());
}

}  // namespace
}  // namespace acetate::sandbox
