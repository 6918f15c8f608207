#include "cli/run_devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acetate::cli {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> gpus(const std::string& text) {
  const auto names = parse_gpus(text);
  EXPECT_TRUE(names) << names.error().message();
  return names ? *names : std::vector<std::string>();
}

TEST(RunGpus, AreNvidiasByTheContainerDeviceInterface) {
  for (const char* all : {"all", "count=all", "-1", "driver=nvidia,count=all", "all,capabilities=utility"}) EXPECT_THAT(gpus(all), ElementsAre("nvidia.com/gpu=all")) << all;
  EXPECT_THAT(gpus("2"), ElementsAre("nvidia.com/gpu=0", "nvidia.com/gpu=1"));
  for (const char* two : {"device=0,2", "\"device=0,2\"", "\"device=0,2\",capabilities=gpu"}) EXPECT_THAT(gpus(two), ElementsAre("nvidia.com/gpu=0", "nvidia.com/gpu=2")) << two;
  for (const char* wrong : {"", "0", "x", "device=", "driver=amd,count=1", "99999999"}) EXPECT_FALSE(parse_gpus(wrong)) << wrong;
}

TEST(RunDeviceRule, IsATypeNumbersAndWhatIsAllowed) {
  EXPECT_EQ(*parse_device_rule("c 189:* rmw"), (sandbox::DeviceRule{'c', 189, std::nullopt, "rmw"}));
  EXPECT_EQ(*parse_device_rule("a *:* r"), (sandbox::DeviceRule{'a', std::nullopt, std::nullopt, "r"}));
  for (const char* wrong : {"", "c 189 rmw", "x 1:2 r", "c 1:2", "c 1:2 z", "c -1:2 r", "c 1:2 r more", "c 1:x r", "c 1:2 rwmr"}) EXPECT_FALSE(parse_device_rule(wrong)) << wrong;
}

TEST(RunDevice, IsAPathOrOneOfTheInterface) {
  EXPECT_EQ(parse_device("/dev/fuse")->target, "/dev/fuse");
  EXPECT_EQ(parse_device("/dev/fuse:/dev/x:r")->access, "r");
  for (const char* wrong : {"", "fuse", "/dev/fuse:x", "/dev/a:/dev/b:r:w"}) EXPECT_FALSE(parse_device(wrong)) << wrong;
  EXPECT_TRUE(is_cdi_device("nvidia.com/gpu=all"));
  EXPECT_FALSE(is_cdi_device("/dev/a=b"));
}

}  // namespace
}  // namespace acetate::cli
