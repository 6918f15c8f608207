// Listing directories: every name that stays exactly once, whoever changes or lists what meanwhile.
#include <dirent.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <span>

#include "fs/dir_listing.h"
#include "fs/recent_listings.h"
#include "tests/fs/overlay_fixture.h"

namespace acetate::fs {
namespace {

// What a reader has seen so far, who takes a few names at a time and goes on with the last one's cookie.
class Reader {
 public:
  Reader(Mounted& m, Ino dir) : m_(m), dir_(dir) {}
  // False at the end.
  bool take(int most) {
    bool any = false;
    EXPECT_TRUE(m_.overlay().readdir(dir_, cookie_, [&](const ListedEntry& entry) {
      if (most-- == 0) return false;
      EXPECT_GT(entry.cookie, cookie_);
      seen.emplace_back(entry.name);
      cookie_ = entry.cookie;
      return any = true;
    }));
    return any;
  }
  auto count(std::string_view name) const { return std::ranges::count(seen, name); }
  std::vector<std::string> seen;

 private:
  Mounted& m_;
  Ino dir_;
  std::uint64_t cookie_ = 0;
};

TEST(Readdir, GivesEveryEntryThatStaysExactlyOnceWhileTheDirectoryChanges) {
  std::vector<MemoryEntry> lower;
  for (int i = 0; i < 50; ++i) lower.push_back(memory_file(fmt::format("d/{:02}", i), "x"));
  Mounted m(lower);
  for (int i = 50; i < 100; ++i) ASSERT_EQ(code(m.write(fmt::format("d/{:02}", i), "x")), 0);
  Reader reader(m, m.ino("d"));
  for (int part = 0; reader.take(2); ++part) {
    ASSERT_EQ(code(m.write(fmt::format("d/new{}", part), "")), 0);
    if (part == 3) {
      ASSERT_EQ(code(m.unlink("d/00")), 0);
    }
    if (part == 5) {
      ASSERT_EQ(code(m.chmod("d/40", 0600)), 0);  // copied up, it stays where it was
    }
    if (part == 200) break;
  }
  for (int i = 1; i < 100; ++i) EXPECT_EQ(reader.count(fmt::format("{:02}", i)), 1) << i;
  EXPECT_EQ(reader.count("."), 1);
  EXPECT_EQ(reader.count(".."), 1);
}

// As rm -r does it, who comes back to a directory after he has read and emptied thousands of others.
TEST(Readdir, LosesNothingWhenWhatWasReadIsRemovedAndTheListingIsForgottenBetweenTwoPages) {
  std::vector<MemoryEntry> lower;
  for (int i = 0; i < 100; ++i) lower.push_back(memory_file(fmt::format("d/lower{:02}", i), "x"));
  for (std::size_t i = 0; i < RecentListings::kMost + 1; ++i) lower.push_back(memory_dir(fmt::format("other{}", i)));
  Mounted m(lower);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(code(m.write(fmt::format("d/upper{:02}", i), "x")), 0);
  Reader reader(m, m.ino("d"));
  for (std::size_t done = 0; reader.take(7);) {
    for (; done < reader.seen.size(); ++done)
      if (!reader.seen[done].starts_with('.')) {
        ASSERT_EQ(code(m.unlink("d/" + reader.seen[done])), 0);
      }
    for (std::size_t i = 0; i < RecentListings::kMost + 1; ++i) Reader(m, m.ino(fmt::format("other{}", i))).take(1);
  }
  EXPECT_EQ(reader.seen.size(), 202U);
  EXPECT_EQ(code(m.rmdir("d")), 0);
}

TEST(Readdir, OfOneReaderIsNotDisturbedByAnotherWhoBeginsOrEnds) {
  Mounted m({memory_file("a", ""), memory_file("b", ""), memory_file("c", "")});
  Reader one(m, Ino::root);
  ASSERT_TRUE(one.take(3));
  ASSERT_EQ(code(m.unlink("a")), 0);
  ASSERT_EQ(code(m.write("new", "")), 0);
  Reader another(m, Ino::root);
  while (another.take(2)) {
  }
  while (one.take(1)) {
  }
  for (const char* name : {"b", "c"}) {
    EXPECT_EQ(one.count(name), 1) << name;
    EXPECT_EQ(another.count(name), 1) << name;
  }
  EXPECT_EQ(another.count("a"), 0);
  EXPECT_EQ(another.count("new"), 1);
}

TEST(Readdir, GivesTheNamesOfALowerInItsOwnOrderWhetherCopiedUpOrNot) {
  Mounted m({memory_file("d/1", ""), memory_file("d/2", ""), memory_file("d/3", ""), memory_file("d/4", "")});
  Reader before(m, m.ino("d"));
  before.take(100);
  ASSERT_EQ(code(m.chmod("d/2", 0600)), 0);
  ASSERT_EQ(code(m.write("d/0", "")), 0);
  Reader after(m, m.ino("d"));
  after.take(100);
  ASSERT_EQ(after.seen.size(), before.seen.size() + 1);
  EXPECT_TRUE(std::ranges::equal(before.seen, std::span(after.seen).first(before.seen.size())));
  EXPECT_EQ(after.seen.back(), "0");
}

TEST(DirListing, TellsNamesOfOneHashApart) {
  DirListing listing;
  for (const char* name : {"b", "a", "c"}) listing.add(name, DT_REG, 1, 10);
  listing.add("d", DT_REG, 1, 11);
  listing.put_in_order();
  std::vector<std::pair<std::string, std::uint64_t>> told;
  EXPECT_TRUE(listing.each(0, [&](const ListedEntry& entry) {
    told.emplace_back(entry.name, entry.cookie);
    return true;
  }));
  EXPECT_EQ(told, (std::vector<std::pair<std::string, std::uint64_t>>{{"a", 10}, {"b", 11}, {"c", 12}, {"d", 13}}));
  EXPECT_FALSE(listing.each(13, [](const ListedEntry&) { return true; }));
}

TEST(DirListing, HasPlacesThatASignedOffsetOf32BitsHolds) {
  for (int i = 0; i < 10000; ++i) {
    const std::string name = fmt::format("name{}", i);
    EXPECT_GE(DirListing::place_of_upper_name(name), std::uint64_t{1} << 30);
    EXPECT_LT(DirListing::place_of_upper_name(name), std::uint64_t{1} << 31);
  }
}

TEST(RecentListings, KeepsManyAndOfLargeOnesAFew) {
  RecentListings recent;
  const auto of = [](std::size_t names) {
    auto listing = std::make_shared<RecentListing>();
    for (std::size_t i = 0; i < names; ++i) listing->names.add(fmt::format("a name that takes some room {}", i), DT_REG, 1, i + 1);
    return listing;
  };
  for (std::uint64_t i = 1; i <= RecentListings::kMost; ++i) recent.put(Ino{i}, of(1));
  EXPECT_NE(recent.find(Ino{1}), nullptr);
  recent.put(Ino{1000}, of(1));
  EXPECT_NE(recent.find(Ino{1}), nullptr);  // used last
  EXPECT_EQ(recent.find(Ino{2}), nullptr);
  const auto large = of(600'000);
  ASSERT_GT(large->bytes(), RecentListings::kMostBytes);
  recent.put(Ino{2000}, large);
  EXPECT_EQ(recent.find(Ino{3}), nullptr);
  for (std::uint64_t i = 0; i < RecentListings::kFew - 1; ++i) recent.put(Ino{3000 + i}, of(1));
  EXPECT_EQ(recent.find(Ino{1}), nullptr);
  EXPECT_EQ(recent.find(Ino{2000}), large);
  recent.drop(Ino{2000});
  EXPECT_EQ(recent.find(Ino{2000}), nullptr);
}

}  // namespace
}  // namespace acetate::fs
