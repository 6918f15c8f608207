#include "base/sys/self.h"

#include <gtest/gtest.h>

namespace acetate::sys {
namespace {

TEST(FindBesideUs, FindsTheFirstOfSeveralPlacesThatIsAFile) {
  const auto found = find_beside_us({"/nothing-of-that-name", "/..", "/base_test", "/../base/base_test"});
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_TRUE(found->starts_with('/'));
  EXPECT_TRUE(found->ends_with("/base_test"));
}

TEST(FindBesideUs, SaysThatThereIsNone) { EXPECT_TRUE(find_beside_us({"/nothing-of-that-name", "/."}).error().is(ENOENT)); }

}  // namespace
}  // namespace acetate::sys
