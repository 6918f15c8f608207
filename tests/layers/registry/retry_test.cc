#include "layers/registry/retry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acetate::registry {
namespace {

using std::chrono::milliseconds;

TEST(Retries, WaitTwiceAsLongEachTimeAndEnd) {
  std::vector<long> pauses;
  const RetryPolicy policy{.attempts = 5,
                           .first_pause = milliseconds(100),
                           .longest_pause = milliseconds(300),
                           .sleep = [&](milliseconds pause) { pauses.push_back(pause.count()); }};
  Retries retries(policy);
  while (retries.again()) continue;

  ASSERT_EQ(pauses.size(), 4u);
  for (const auto& [pause, most] : {std::pair(pauses[0], 100), {pauses[1], 200}, {pauses[2], 300}, {pauses[3], 300}}) {
    EXPECT_LE(pause, most);
    EXPECT_GE(pause, most * 3 / 4);
  }
}

TEST(Retries, WaitAsLongAsTheServerAsksButNotForEver) {
  std::vector<long> pauses;
  const RetryPolicy policy{.longest_pause = milliseconds(60000), .sleep = [&](milliseconds pause) { pauses.push_back(pause.count()); }};
  Retries retries(policy);
  EXPECT_TRUE(retries.again(milliseconds(7000)));
  EXPECT_TRUE(retries.again(std::chrono::hours(5)));

  EXPECT_THAT(pauses, testing::ElementsAre(7000, 60000));
}

TEST(Retries, ReadRetryAfterAsSecondsAndAsADate) {
  const std::time_t now = 784111777;  // Sun, 06 Nov 1994 08:49:37 GMT
  EXPECT_EQ(retry_after({{"Retry-After", "120"}}, now), std::chrono::seconds(120));
  EXPECT_EQ(retry_after({{"retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"}}, now), std::chrono::seconds(30));
  EXPECT_EQ(retry_after({{"Retry-After", "Sun, 06 Nov 1994 08:49:07 GMT"}}, now), std::chrono::seconds(0));
  EXPECT_EQ(retry_after({{"Retry-After", "soon"}}, now), std::nullopt);
  EXPECT_EQ(retry_after({}, now), std::nullopt);
}

}  // namespace
}  // namespace acetate::registry
