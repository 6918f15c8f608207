#include "builder/sandbox/seccomp_program.h"

#include <gtest/gtest.h>
#include <linux/filter.h>

#include <nlohmann/json.hpp>

namespace acetate::sandbox {
namespace {

using Json = nlohmann::ordered_json;

Json refusing(const char* name, unsigned code) {
  return {{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", Json::array({{{"names", {name}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", code}}})}};
}

TEST(SeccompProgram, IsWholeInstructions) {
  const auto program = seccomp_program(refusing("mount", 1));
  ASSERT_TRUE(program) << program.error().message();
  EXPECT_GT(program->size(), sizeof(sock_filter));
  EXPECT_EQ(program->size() % sizeof(sock_filter), 0U);
}

TEST(SeccompProgram, IsTheOneThatWasAskedForAlsoWhenAnotherIsRemembered) {
  const auto first = seccomp_program(refusing("mount", 1)), other = seccomp_program(refusing("mount", 2)), again = seccomp_program(refusing("mount", 1));
  ASSERT_TRUE(first && other && again);
  EXPECT_NE(*first, *other);
  EXPECT_EQ(*first, *again);
}

TEST(SeccompProgram, WhereSomebodyListensIsNothingToTheKernel) {
  Json listened = refusing("mount", 1);
  listened["listenerPath"] = "/run/listener";
  const auto with = seccomp_program(listened), without = seccomp_program(refusing("mount", 1));
  ASSERT_TRUE(with && without);
  EXPECT_EQ(*with, *without);
}

TEST(SeccompProgram, AMistakeIsNotRemembered) {
  const Json wrong{{"defaultAction", "SCMP_ACT_WIBBLE"}, {"syscalls", Json::array()}};
  EXPECT_FALSE(seccomp_program(wrong));
  EXPECT_FALSE(seccomp_program(wrong));
  EXPECT_TRUE(seccomp_program(refusing("mount", 1)));
}

}  // namespace
}  // namespace acetate::sandbox
