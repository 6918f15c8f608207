// What is found out before anybody asks: what is guessed, and that it is never told when it is no longer true.
#include <gmock/gmock.h>

#include <map>

#include "fs/look_ahead.h"
#include "tests/fs/overlay_fixture.h"

namespace acetate::fs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<Ino> numbers(std::uint64_t first, std::size_t count) {
  std::vector<Ino> inos;
  for (std::uint64_t i = 0; i < count; ++i) inos.push_back(Ino{first + i});
  return inos;
}

TEST(LookAhead, GuessesTwoUntilOneOfThemIsReadAndThenAFewAheadOfTheReader) {
  LookAhead ahead;
  EXPECT_EQ(ahead.next(Ino{1}, numbers(10, 100)), numbers(10, 2));
  EXPECT_EQ(ahead.next(Ino{10}, {}), numbers(12, 7));
  EXPECT_THAT(ahead.next(Ino{10}, {}), IsEmpty());
  EXPECT_EQ(ahead.next(Ino{11}, {}), numbers(19, 1));
  EXPECT_EQ(ahead.next(Ino{50}, {}), numbers(51, 8));  // what was passed over is not wanted
  EXPECT_THAT(ahead.next(Ino{109}, {}), IsEmpty());
}

TEST(LookAhead, GoesDownBeforeItGoesOn) {
  LookAhead ahead;
  (void)ahead.next(Ino{1}, numbers(10, 3));
  EXPECT_THAT(ahead.next(Ino{10}, {Ino{20}, Ino{21}}), ElementsAre(Ino{20}, Ino{21}, Ino{12}));
}

TEST(LookAhead, KeepsFewPlans) {
  LookAhead ahead;
  for (std::uint64_t i = 0; i < 1000; ++i) (void)ahead.next(Ino{1 + i * 1000}, numbers(2 + i * 1000, 5));
  EXPECT_THAT(ahead.next(Ino{2}, {}), IsEmpty());
  EXPECT_EQ(ahead.next(Ino{2 + 999 * 1000}, {}), numbers(4 + 999 * 1000, 3));
}

class LookedAhead : public ::testing::Test {
 protected:
  static std::vector<MemoryEntry> tree() {
    std::vector<MemoryEntry> entries;
    for (const char* dir : {"a", "b"})
      for (int i = 0; i < 5; ++i) entries.push_back(memory_file(fmt::format("{}/{}", dir, i), "x"));
    return entries;
  }
  // As READDIRPLUS asks, names with what was told of them.
  std::map<std::string, std::optional<Attr>> read(Ino dir) {
    std::map<std::string, std::optional<Attr>> told;
    std::uint64_t cookie = 0;
    for (bool any = true; any;) {
      any = false;
      EXPECT_TRUE(m_.overlay().readdirplus(dir, cookie, [](const ListedEntry&) { return true; }, [&](const ListedEntry& entry, const Found* found) {
        any = true;
        cookie = entry.cookie;
        if (entry.name == "." || entry.name == "..") return;
        EXPECT_TRUE(told.emplace(entry.name, found != nullptr ? std::optional(found->attr) : std::nullopt).second) << entry.name;
        if (found != nullptr) given_.push_back(found->ino);
      }));
    }
    return told;
  }
  // As a mount does behind the reply that says what is in the root.
  void look_ahead() {
    (void)m_.overlay().readdirplus(Ino::root, 0, [](const ListedEntry&) { return true; },
                                   [&](const ListedEntry&, const Found* found) { if (found != nullptr) given_.push_back(found->ino); });
    before_ = m_.overlay().stats().inodes;
    m_.overlay().look_ahead(Ino::root);
  }
  void forget_all() {
    for (const Ino one : given_) (void)m_.overlay().forget(one, 1);
    given_.clear();
  }

  Mounted m_{tree()};
  std::vector<Ino> given_;
  std::uint64_t before_ = 0;
};

TEST_F(LookedAhead, IsToldToWhoeverAsks) {
  look_ahead();
  EXPECT_EQ(m_.overlay().stats().inodes, before_ + 10);  // of both directories
  const auto told = read(m_.ino("a"));
  ASSERT_EQ(told.size(), 5U);
  for (const auto& [name, attr] : told) {
    ASSERT_TRUE(attr) << name;
    EXPECT_EQ(attr->ino, m_.attr("a/" + name).ino);
    EXPECT_EQ(attr->size, 1U);
  }
  EXPECT_EQ(m_.overlay().stats().inodes, before_ + 10);  // the same inodes
}

TEST_F(LookedAhead, IsForgottenWithTheDirectory) {
  look_ahead();
  const std::uint64_t with = m_.overlay().stats().inodes;
  forget_all();
  EXPECT_LT(m_.overlay().stats().inodes, with - 10);
}

// An unlinked file's space is free once nobody has it.
TEST_F(LookedAhead, KeepsNothingThatIsUnlinked) {
  look_ahead();
  const Found file = *m_.overlay().lookup(m_.ino("a"), "0");
  ASSERT_EQ(code(m_.overlay().setattr(file.ino, {.mode = 0600}, {})), 0);
  const std::uint64_t before = m_.overlay().stats().inodes;
  ASSERT_EQ(code(m_.unlink("a/0")), 0);
  EXPECT_TRUE(m_.overlay().forget(file.ino, 1));
  EXPECT_EQ(m_.overlay().stats().inodes, before - 1);
}

TEST_F(LookedAhead, IsNotToldOnceItIsChanged) {
  const auto change = [this](const std::function<void()>& act, const char* what) {
    SCOPED_TRACE(what);
    look_ahead();
    act();
  };
  change([&] { ASSERT_EQ(code(m_.chmod("a/0", 0601)), 0); }, "chmod");
  EXPECT_EQ(read(m_.ino("a")).at("0")->mode & 07777U, 0601U);
  change([&] { ASSERT_EQ(code(m_.unlink("b/1")), 0); }, "unlink");
  EXPECT_FALSE(read(m_.ino("b")).contains("1"));
  change([&] { ASSERT_EQ(code(m_.write("b/new", "text")), 0); }, "create");
  EXPECT_EQ(read(m_.ino("b")).at("new")->size, 4U);
}

TEST_F(LookedAhead, OfADirectoryThatIsRemovedIsNothing) {
  for (int i = 0; i < 5; ++i) ASSERT_EQ(code(m_.look(fmt::format("a/{}", i))), 0);
  look_ahead();
  const Ino a = m_.ino("a");
  for (int i = 0; i < 5; ++i) ASSERT_EQ(code(m_.unlink(fmt::format("a/{}", i))), 0);
  ASSERT_EQ(code(m_.rmdir("a")), 0);
  EXPECT_THAT(read(a), IsEmpty());
}

TEST(LookedAheadEmpty, DirectoryThatIsRemovedIsListedEmptyThough) {
  Mounted m({memory_dir("top/d")});
  const auto none = [](const ListedEntry&, const Found*) {};
  const auto all = [](const ListedEntry&) { return true; };
  const Ino top = m.ino("top"), d = m.ino("top/d");
  ASSERT_TRUE(m.overlay().readdirplus(top, 0, all, none));
  m.overlay().look_ahead(top);
  ASSERT_EQ(code(m.rmdir("top/d")), 0);
  std::size_t count = 0;
  ASSERT_TRUE(m.overlay().readdirplus(d, 0, all, [&](const ListedEntry&, const Found*) { ++count; }));
  EXPECT_EQ(count, 2U);
}

}  // namespace
}  // namespace acetate::fs
