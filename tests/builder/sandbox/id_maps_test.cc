#include "builder/sandbox/id_maps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace acetate::sandbox {
namespace {

using ::testing::ElementsAre;

TEST(KeepIdMap, MakesTheCallerThatId) {
  EXPECT_THAT(keep_id_map(1000, 65537), ElementsAre(sys::IdRange{0, 1, 1000}, sys::IdRange{1000, 0, 1}, sys::IdRange{1001, 1001, 64536}));
}

TEST(KeepIdMap, OfRootIsTheMapItself) {
  EXPECT_THAT(keep_id_map(0, 65537), ElementsAre(sys::IdRange{0, 0, 1}, sys::IdRange{1, 1, 65536}));
}

TEST(KeepIdMap, OfAnIdBeyondTheRangeLosesNone) {
  EXPECT_THAT(keep_id_map(1234567, 65537), ElementsAre(sys::IdRange{0, 1, 65536}, sys::IdRange{1234567, 0, 1}));
}

TEST(KeepIdMap, HasAsManyGroupsAsThereAre) {
  const auto maps = keep_id_maps(1000, 5, {{0, 1000, 1}, {1, 100000, 65536}}, {{0, 100, 1}, {1, 200000, 10}});

  EXPECT_EQ(maps.uids, keep_id_map(1000, 65537));
  EXPECT_THAT(maps.gids, ElementsAre(sys::IdRange{0, 1, 5}, sys::IdRange{5, 0, 1}, sys::IdRange{6, 6, 5}));
}

TEST(KeepIdMap, KeepsToTheLinesOfOurOwn) {
  const std::vector<sys::IdRange> ours{{0, 1000, 1}, {1, 100000, 500}, {501, 900000, 65536}};

  const auto maps = keep_id_maps(1000, 0, ours, ours);

  EXPECT_THAT(maps.uids, ElementsAre(sys::IdRange{0, 1, 500}, sys::IdRange{500, 501, 500}, sys::IdRange{1000, 0, 1}, sys::IdRange{1001, 1001, 65036}));
  EXPECT_THAT(maps.gids, ElementsAre(sys::IdRange{0, 0, 1}, sys::IdRange{1, 1, 500}, sys::IdRange{501, 501, 65536}));
}

TEST(KeepIdMap, OfOneIdIsThatId) { EXPECT_THAT(keep_id_map(1000, 1), ElementsAre(sys::IdRange{1000, 0, 1})); }

TEST(KeepIdMap, NeverMapsTwoToOne) {
  for (const std::uint32_t id : {0U, 1U, 5U, 9U, 10U, 11U, 100U}) {
    std::set<std::uint32_t> inside, outside;
    for (const auto& range : keep_id_map(id, 11))
      for (std::uint32_t i = 0; i < range.count; ++i) {
        EXPECT_TRUE(inside.insert(range.inside + i).second) << id;
        EXPECT_TRUE(outside.insert(range.outside + i).second) << id;
        EXPECT_LT(range.outside + i, 11U) << id;
      }
    EXPECT_EQ(outside.size(), 11U) << id;
  }
}

TEST(MappingOption, IsWhatTheDaemonReads) { EXPECT_EQ(mapping_option({{0, 1, 1000}, {1000, 0, 1}}), "0:1:1000:1000:0:1"); }

}  // namespace
}  // namespace acetate::sandbox
