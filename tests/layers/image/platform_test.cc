#include "layers/image/platform.h"

#include <gtest/gtest.h>

namespace acetate::image {
namespace {

TEST(Platform, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(*parse_platform("linux/arm64/v8"), (Platform{"linux", "arm64", "v8"}));
  EXPECT_EQ(*parse_platform("arm64"), (Platform{"linux", "arm64", ""}));
  EXPECT_EQ(*parse_platform("linux/x86_64"), (Platform{"linux", "amd64", ""}));
  EXPECT_EQ(*parse_platform("armv7l"), (Platform{"linux", "arm", "v7"}));
  EXPECT_EQ(*parse_platform("linux/arm"), (Platform{"linux", "arm", "v7"}));
  EXPECT_EQ(*parse_platform("windows(10.0.20348.1006)/amd64"), (Platform{"windows", "amd64", "", "10.0.20348.1006"}));
  for (const char* wrong : {"", "linux/", "/amd64", "a/b/c/d", "windows(1/amd64", "(1)/amd64", "windows(1;2)/amd64", "windows)/amd64"}) EXPECT_FALSE(parse_platform(wrong)) << wrong;
  EXPECT_EQ(format_platform({"linux", "arm", "v6"}), "linux/arm/v6");
  EXPECT_EQ(format_platform({"windows", "amd64", "", "1.2.3"}), "windows(1.2.3)/amd64");
}

TEST(Platform, OfThisMachineHasAnArchitectureRegistriesKnow) {
  EXPECT_EQ(host_platform().os, "linux");
  EXPECT_FALSE(host_platform().architecture.empty());
  EXPECT_NE(host_platform().architecture, "x86_64");
}

TEST(Platform, IsServedByItselfBestAndByLesserVariantsToo) {
  const Platform v7{"linux", "arm", "v7"}, v6{"linux", "arm", "v6"}, arm{"linux", "arm", ""};

  EXPECT_EQ(platform_rank(v7, v7), 0);
  EXPECT_EQ(platform_rank(v7, v6), 1);
  EXPECT_EQ(platform_rank(arm, v7), 0);
  EXPECT_EQ(platform_rank(v6, v7), std::nullopt);
  EXPECT_EQ(platform_rank({"linux", "arm64", ""}, {"linux", "arm64", "v8"}), 0);
  EXPECT_EQ(platform_rank({"linux", "amd64", ""}, {"linux", "amd64", "v3"}), std::nullopt);
  EXPECT_EQ(platform_rank({"linux", "amd64", ""}, {"windows", "amd64", ""}), std::nullopt);
  EXPECT_EQ(platform_rank({"linux", "amd64", ""}, {"linux", "arm64", ""}), std::nullopt);
}

TEST(Platform, OfAVersionIsServedByThatVersionBestAndByRevisionsOfTheSameBuild) {
  const Platform any{"windows", "amd64"}, one{"windows", "amd64", "", "10.0.20348.1006"};
  EXPECT_EQ(platform_rank(any, one), 0);
  EXPECT_EQ(platform_rank(one, one), 0);
  EXPECT_GT(platform_rank(one, {"windows", "amd64", "", "10.0.20348.2"}), 0);
  EXPECT_GT(platform_rank(one, any), 0);
  EXPECT_EQ(platform_rank(one, {"windows", "amd64", "", "10.0.17763.1006"}), std::nullopt);
}

}  // namespace
}  // namespace acetate::image
