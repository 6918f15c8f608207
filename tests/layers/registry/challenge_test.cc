#include "layers/registry/challenge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acetate::registry {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

TEST(Challenge, ReadsTheOneOfDockerHub) {
  const auto found = parse_challenges(
      {R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push")"});

  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].scheme, "bearer");
  EXPECT_EQ(found[0].parameters.at("realm"), "https://auth.docker.io/token");
  EXPECT_EQ(found[0].parameters.at("service"), "registry.docker.io");
  EXPECT_EQ(found[0].parameters.at("scope"), "repository:a/b:pull,push");
}

TEST(Challenge, ReadsSeveralInOneHeaderAndInSeveral) {
  const auto found = parse_challenges(
      {R"(Basic realm="with, a comma and \"quotes\"", Negotiate, BEARER Realm=https://x/token , service=y)", "Digest qop=auth"});

  ASSERT_THAT(found, SizeIs(4));
  EXPECT_EQ(found[0].parameters.at("realm"), "with, a comma and \"quotes\"");
  EXPECT_EQ(found[1].scheme, "negotiate");
  EXPECT_EQ(found[2].parameters.at("realm"), "https://x/token");
  EXPECT_EQ(found[2].parameters.at("service"), "y");
  EXPECT_EQ(found[3].scheme, "digest");
}

TEST(Challenge, KeepsWhatCameBeforeNonsense) {
  EXPECT_THAT(parse_challenges({"Basic realm=\"never closed"}), IsEmpty());
  EXPECT_THAT(parse_challenges({"Basic, \"=="}), SizeIs(1));
  EXPECT_THAT(parse_challenges({"", "=", "\"\"", ",,,"}), IsEmpty());
}

}  // namespace
}  // namespace acetate::registry
