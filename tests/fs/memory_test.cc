// What an inode costs, measured at the allocator, and that a forgotten one costs nothing.
#include <gtest/gtest.h>
#include <malloc.h>

#include "tests/fs/overlay_fixture.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ACETATE_OTHER_ALLOCATOR 1
#endif

namespace acetate::fs {
namespace {

constexpr std::size_t kFiles = 20'000;

std::string name_of(std::size_t i) { return fmt::format("libexample-{:05}.so", i); }  // as long as names are

TEST(Memory, AnInodeCostsAtMost200BytesAndNothingOnceItIsForgotten) {
#ifdef ACETATE_OTHER_ALLOCATOR
  GTEST_SKIP() << "a sanitizer's allocator cannot be measured";
#endif
  std::vector<MemoryEntry> entries;
  for (std::size_t i = 0; i < kFiles; ++i) entries.push_back(memory_file(name_of(i), ""));
  Mounted m(std::move(entries));
  std::vector<Ino> known;
  known.reserve(kFiles);
  const auto used = [] { return static_cast<std::int64_t>(::mallinfo2().uordblks); };

  const std::int64_t before = used();
  for (std::size_t i = 0; i < kFiles; ++i) known.push_back(m.overlay().lookup(Ino::root, name_of(i))->ino);
  const std::int64_t held = used() - before;
  EXPECT_EQ(m.overlay().stats().inodes, kFiles + 1);
  for (const Ino ino : known) m.overlay().forget(ino, 1);
  const std::int64_t left = used() - before;

  EXPECT_LE(held / static_cast<std::int64_t>(kFiles), 200);
  EXPECT_GT(held, 0);
  EXPECT_EQ(m.overlay().stats().inodes, 1U);
  EXPECT_LE(left / static_cast<std::int64_t>(kFiles), 1);
}

}  // namespace
}  // namespace acetate::fs
