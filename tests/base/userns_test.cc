#include "base/sys/userns.h"

#include <gtest/gtest.h>

namespace acetate::sys {
namespace {

TEST(SubordinateRanges, AreFoundByNameAndByNumberAndLaidEndToEndFromOne) {
  const char* file =
      "alice:100000:65536\n"
      "bob:165536:65536\n"
      "1000:300000:10\n";

  EXPECT_EQ(parse_subid(file, "alice", 1000), (std::vector<IdRange>{{1, 100000, 65536}, {65537, 300000, 10}}));
  EXPECT_EQ(parse_subid(file, "bob", 1001), (std::vector<IdRange>{{1, 165536, 65536}}));
}

TEST(SubordinateRanges, OfSomebodyElseAreNotTaken) {
  EXPECT_TRUE(parse_subid("alicia:100000:65536\nalic:1:2\n", "alice", 1000).empty());
}

TEST(SubordinateRanges, SkipMalformedLines) {
  const char* file =
      "alice\n"
      "alice:\n"
      "alice:1\n"
      "alice:x:5\n"
      "alice:5:x\n"
      "alice:-1:5\n"
      "alice:5:0\n"
      "alice:5:6:7\n"
      "alice:4294967290:65536\n"
      "alice:99999999999:1\n"
      "::\n"
      "\n"
      "alice:7:8";

  EXPECT_EQ(parse_subid(file, "alice", 1000), (std::vector<IdRange>{{1, 7, 8}}));
}

TEST(IdMap, IsReadAsTheKernelPadsIt) {
  EXPECT_EQ(parse_id_map("         0       1000          1\n         1     100000      65536\n"),
            (std::vector<IdRange>{{0, 1000, 1}, {1, 100000, 65536}}));
  EXPECT_EQ(parse_id_map("         0          0 4294967295\n"), (std::vector<IdRange>{{0, 0, 4294967295U}}));
}

TEST(IdMap, OfThisProcessIsNotEmpty) {
  const auto map = current_uid_map();

  ASSERT_TRUE(map) << map.error().message();
  EXPECT_FALSE(map->empty());
}

}  // namespace
}  // namespace acetate::sys
