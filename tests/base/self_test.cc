#include "base/sys/self.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace acetate::sys {
namespace {

TEST(FindBesideUs, FindsTheFirstOfSeveralPlacesThatIsAFile) {
  const auto found = find_beside_us({"/nothing-of-that-name", "/..", "/base_test", "/../base/base_test"});
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_TRUE(found->starts_with('/'));
  EXPECT_TRUE(found->ends_with("/base_test"));
}

TEST(FindBesideUs, SaysThatThereIsNone) { EXPECT_TRUE(find_beside_us({"/nothing-of-that-name", "/."}).error().is(ENOENT)); }

TEST(FindBesideUs, TakesNothingThatEverybodyMayWrite) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const std::string name = "/planted-" + std::to_string(::getpid()), path = self.substr(0, self.rfind('/')) + name;
  { std::ofstream(path) << "#!/bin/sh\n"; }
  EXPECT_TRUE(find_beside_us({name.c_str()}));
  std::filesystem::permissions(path, std::filesystem::perms::all);
  EXPECT_TRUE(find_beside_us({name.c_str()}).error().is(ENOENT));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace acetate::sys
