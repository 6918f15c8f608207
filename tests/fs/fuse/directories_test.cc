// fs/fuse/ops_dir.cc: listings, and the references READDIRPLUS hands out.
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "tests/fs/fuse/served.h"

namespace acetate::fs {
namespace {

using test::bytes_of;
using test::FuseDirent;
using test::parse_dirents;

class Directories : public FuseTest {
 protected:
  // All pages of one listing.
  std::vector<FuseDirent> list(std::uint64_t dir, std::uint32_t size, bool plus) {
    std::vector<FuseDirent> all;
    for (std::uint64_t after = 0;;) {
      const auto reply = kernel().read(dir, 0, after, size, plus ? FUSE_READDIRPLUS : FUSE_READDIR);
      EXPECT_EQ(reply.error, 0);
      EXPECT_LE(reply.body.size(), size);
      auto page = parse_dirents(reply, plus);
      if (page.empty()) return all;
      after = page.back().off;
      for (auto& one : page) all.push_back(std::move(one));
    }
  }
  static std::vector<MemoryEntry> many(int count) {
    std::vector<MemoryEntry> entries;
    for (int i = 0; i < count; ++i) entries.push_back(memory_file(fmt::format("file-{:04}", i), "x"));
    return entries;
  }
  static std::multiset<std::string> names(const std::vector<FuseDirent>& entries) {
    std::multiset<std::string> out;
    for (const auto& one : entries) out.insert(one.name);
    return out;
  }
};

TEST_F(Directories, AreNotOpened) {
  serve(many(1));

  EXPECT_EQ(kernel().open(FUSE_ROOT_ID, 0, FUSE_OPENDIR).error, ENOSYS);
  EXPECT_EQ(kernel().read(node("file-0000"), 0, 0, 4096, FUSE_READDIR).error, ENOTDIR);
}

TEST_F(Directories, AreOpenedAndCachedByAKernelThatCannotLeaveItOut) {
  serve(many(1), one_thread(), {.durable = false}, 0xffffffffU & ~static_cast<std::uint32_t>(FUSE_NO_OPENDIR_SUPPORT));

  const auto reply = kernel().open(FUSE_ROOT_ID, 0, FUSE_OPENDIR);

  EXPECT_EQ(reply.as<fuse_open_out>().open_flags & (FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE), static_cast<std::uint32_t>(FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE));
  EXPECT_EQ(list(FUSE_ROOT_ID, 4096, false).size(), 3U);
  EXPECT_EQ(kernel().ask(FUSE_RELEASEDIR, FUSE_ROOT_ID, bytes_of(fuse_release_in{})).error, 0);
}

TEST_F(Directories, AreOpenedAndNotCachedWhereNothingIs) {
  SessionOptions options = one_thread();
  options.timeout = 0;
  serve(many(1), options);

  EXPECT_EQ(kernel().open(FUSE_ROOT_ID, 0, FUSE_OPENDIR).as<fuse_open_out>().open_flags & (FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE), 0U);
}

TEST_F(Directories, ListEveryNameOnceInPagesOfAnySize) {
  serve(many(300));

  for (const std::uint32_t size : {200U, 1000U, 4096U, 65536U}) {
    const auto plain = names(list(FUSE_ROOT_ID, size, false));
    const auto plus = names(list(FUSE_ROOT_ID, size, true));
    EXPECT_EQ(plain.size(), 302U) << size;
    EXPECT_EQ(plain.count("."), 1U);
    EXPECT_EQ(plain.count(".."), 1U);
    EXPECT_EQ(plain.count("file-0299"), 1U);
    EXPECT_EQ(plus, plain) << size;
  }
}

TEST_F(Directories, ShowTheNumberAStatWouldShow) {
  serve({memory_dir("d"), memory_file("d/f", "")});
  const std::uint64_t d = node("d");
  const auto entries = list(d, 4096, false);

  for (const auto& one : entries)
    if (one.name == "f") {
      EXPECT_EQ(one.ino, found(d, "f").attr.ino);
      EXPECT_EQ(one.type, S_IFREG >> 12U);
    }
  EXPECT_EQ(entries.size(), 3U);
}

TEST_F(Directories, PlusHandsOutOneReferenceForEachEntryAndNoneForDots) {
  serve(many(20));
  const std::uint64_t before = overlay().stats().inodes;
  // Room for some, so that one does not fit at the end of each page.
  const auto entries = list(FUSE_ROOT_ID, 700, true);

  ASSERT_EQ(entries.size(), 22U);
  for (const auto& one : entries) {
    const bool dot = one.name == "." || one.name == "..";
    EXPECT_EQ(one.entry->nodeid == 0, dot) << one.name;
    if (!dot) kernel().forget(one.entry->nodeid, 1);
  }
  EXPECT_EQ(kernel().ask(FUSE_STATFS, FUSE_ROOT_ID).error, 0);
  EXPECT_EQ(overlay().stats().inodes, before);  // neither leaked nor given back twice
}

TEST_F(Directories, GiveReferencesBackWhenTheReplyIsNotTaken) {
  serve(many(5));
  const std::uint64_t before = overlay().stats().inodes;
  kernel().stop_listening();
  fuse_read_in in{};
  in.size = 4096;

  kernel().send(FUSE_READDIRPLUS, FUSE_ROOT_ID, bytes_of(in));
  (void)end();

  EXPECT_EQ(overlay().stats().inodes, before);
}

TEST_F(Directories, AnswerRequestsOfAbsurdSize) {
  serve(many(3));

  EXPECT_EQ(parse_dirents(kernel().read(FUSE_ROOT_ID, 0, 0, 0xffffffffU, FUSE_READDIRPLUS), true).size(), 5U);
  EXPECT_TRUE(kernel().read(FUSE_ROOT_ID, 0, 0, 0, FUSE_READDIRPLUS).body.empty());
  EXPECT_TRUE(kernel().read(FUSE_ROOT_ID, 0, 0, 8, FUSE_READDIR).body.empty());
}

}  // namespace
}  // namespace acetate::fs
