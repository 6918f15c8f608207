#include "cli/human.h"

#include <gtest/gtest.h>

namespace acetate::cli {
namespace {

TEST(Human, SizesAreAsDockerPrintsThem) {
  const std::pair<std::uint64_t, const char*> rows[] = {{0, "0B"},          {999, "999B"},         {1000, "1kB"},
                                                        {5'830'000, "5.83MB"}, {77'800'000, "77.8MB"}, {123'456'789, "123MB"},
                                                        {1'230'000'000, "1.23GB"}, {999'700, "1000kB"}};
  for (const auto& [bytes, text] : rows) EXPECT_EQ(human_size(bytes), text);
}

TEST(Human, SizesAreRead) {
  const std::pair<const char*, std::uint64_t> rows[] = {
      {"0", 0}, {"512", 512}, {"10GB", 10'000'000'000}, {"1.5 GiB", 1'610'612'736}, {"5m", 5'000'000}, {"2Ki", 2048}, {"7b", 7}};
  for (const auto& [text, bytes] : rows) EXPECT_EQ(*parse_size(text), bytes) << text;
  for (const char* text : {"", "GB", "-1", "1x", "1ii", "1gbb", "1e9", "99999999P", "nan"}) EXPECT_FALSE(parse_size(text)) << text;
}

TEST(Human, MemoryIsReadInPowersOf1024) {
  EXPECT_EQ(*parse_memory("64m", "x"), 64U << 20);
  EXPECT_EQ(*parse_memory("1.5k", "x"), 1536U);
  EXPECT_EQ(*parse_memory("2GiB", "x"), std::uint64_t{2} << 30);
  EXPECT_EQ(*parse_memory("10kb", "x"), 10240U);
  EXPECT_EQ(*parse_memory("4096", "x"), 4096U);
  EXPECT_EQ(*parse_memory("7b", "x"), 7U);
  for (const char* text : {"", "m", "-1", "1x", "1mm", "1e30", "nan"}) EXPECT_FALSE(parse_memory(text, "x")) << text;
}

TEST(Human, TimesAreAsDockerPrintsThem) {
  const std::pair<std::time_t, const char*> rows[] = {{0, "Less than a second"}, {1, "1 second"},     {59, "59 seconds"},
                                                      {60, "About a minute"},    {3000, "50 minutes"}, {3600, "About an hour"},
                                                      {7200, "2 hours"},         {86400 * 3, "3 days"}, {86400 * 20, "2 weeks"},
                                                      {86400 * 90, "3 months"},  {86400 * 800, "2 years"}};
  for (const auto& [seconds, text] : rows) EXPECT_EQ(human_duration(seconds), text);
}

TEST(Human, TimesAreRead) {
  const std::pair<const char*, std::time_t> rows[] = {{"90", 90}, {"90s", 90}, {"1h30m", 5400}, {"7d", 604800}, {"2w", 1209600}};
  for (const auto& [text, seconds] : rows) EXPECT_EQ(*parse_duration(text), seconds) << text;
  for (const char* text : {"", "h", "1x", "1h-1m", "-5s"}) EXPECT_FALSE(parse_duration(text)) << text;
}

}  // namespace
}  // namespace acetate::cli
