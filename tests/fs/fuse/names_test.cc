// fs/fuse/ops_names.cc: names to inodes, and who holds how many references.
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/fs/fuse/served.h"

namespace acetate::fs {
namespace {

using test::bytes_of;
using test::name_bytes;

class Names : public FuseTest {};

TEST_F(Names, LookupGivesANumberTheAttributesAndALongLife) {
  serve({memory_file("f", "text", 0640)});

  const fuse_entry_out entry = found(FUSE_ROOT_ID, "f");

  EXPECT_NE(entry.nodeid, 0U);
  EXPECT_EQ(entry.generation, 0U);
  EXPECT_EQ(entry.attr.mode, S_IFREG | 0640U);
  EXPECT_EQ(entry.attr.size, 4U);
  EXPECT_EQ(entry.entry_valid, 1000000000U);
  EXPECT_EQ(entry.attr_valid, 1000000000U);
}

TEST_F(Names, AnAbsentNameIsRemembered) {
  serve({});

  const test::FuseReply reply = kernel().lookup(FUSE_ROOT_ID, "none");

  EXPECT_EQ(reply.error, 0);
  EXPECT_EQ(reply.as<fuse_entry_out>().nodeid, 0U);
  EXPECT_EQ(reply.as<fuse_entry_out>().entry_valid, 1000000000U);
}

TEST_F(Names, WithoutATimeoutNothingIsRemembered) {
  SessionOptions options = one_thread();
  options.timeout = 0;
  serve({memory_file("f", "")}, options);

  EXPECT_EQ(kernel().lookup(FUSE_ROOT_ID, "none").error, ENOENT);
  EXPECT_EQ(found(FUSE_ROOT_ID, "f").entry_valid, 0U);
  EXPECT_EQ(found(FUSE_ROOT_ID, "f").entry_valid_nsec, 0U);
}

TEST_F(Names, OnlyAbsenceIsANegativeEntry) {
  serve({memory_file("f", "")});

  EXPECT_EQ(kernel().lookup(node("f"), "x").error, ENOTDIR);
  EXPECT_EQ(kernel().lookup(FUSE_ROOT_ID, std::string(256, 'n')).error, ENAMETOOLONG);
  EXPECT_EQ(kernel().lookup(4711, "x").error, ESTALE);
}

TEST_F(Names, ForgetGivesBackExactlyWhatLookupsTook) {
  serve({memory_file("f", "")});
  const std::uint64_t before = overlay().stats().inodes;
  const std::uint64_t f = node("f");
  EXPECT_EQ(node("f"), f);
  EXPECT_EQ(node("f"), f);

  kernel().forget(f, 2);
  EXPECT_EQ(kernel().ask(FUSE_GETATTR, f, bytes_of(fuse_getattr_in{})).error, 0);
  EXPECT_EQ(overlay().stats().inodes, before + 1);

  kernel().forget(f, 1);
  EXPECT_EQ(kernel().ask(FUSE_GETATTR, f, bytes_of(fuse_getattr_in{})).error, ESTALE);
  EXPECT_EQ(overlay().stats().inodes, before);
}

TEST_F(Names, ForgetsComeInBatchesToo) {
  serve({memory_file("a", ""), memory_file("b", "")});
  const std::uint64_t before = overlay().stats().inodes;
  const std::uint64_t a = node("a"), b = node("b");
  fuse_batch_forget_in batch{};
  batch.count = 2;

  kernel().send(FUSE_BATCH_FORGET, 0, bytes_of(batch) + bytes_of(fuse_forget_one{a, 1}) + bytes_of(fuse_forget_one{b, 1}));

  EXPECT_EQ(kernel().ask(FUSE_GETATTR, a, bytes_of(fuse_getattr_in{})).error, ESTALE);
  EXPECT_EQ(kernel().ask(FUSE_GETATTR, b, bytes_of(fuse_getattr_in{})).error, ESTALE);
  EXPECT_EQ(overlay().stats().inodes, before);
}

TEST_F(Names, ForgettingMoreThanWasGivenHurtsNobody) {
  serve({memory_file("f", "text")});

  kernel().forget(4711, ~0ULL);
  kernel().forget(node("f"), ~0ULL);
  kernel().forget(FUSE_ROOT_ID, ~0ULL);

  EXPECT_EQ(found(FUSE_ROOT_ID, "f").attr.size, 4U);
}

TEST_F(Names, WhatIsMadeBelongsToTheCallerAndObeysTheUmask) {
  serve({});
  kernel().uid = 0;  // the test may not be able to give files away
  fuse_mkdir_in dir{};
  dir.mode = 0777;
  dir.umask = 027;
  fuse_mknod_in fifo{};
  fifo.mode = S_IFIFO | 0666;
  fifo.umask = 077;

  const auto made = kernel().ask(FUSE_MKDIR, FUSE_ROOT_ID, bytes_of(dir) + name_bytes("d"));
  const auto piped = kernel().ask(FUSE_MKNOD, FUSE_ROOT_ID, bytes_of(fifo) + name_bytes("p"));

  ASSERT_EQ(made.error, 0);
  EXPECT_EQ(made.as<fuse_entry_out>().attr.mode, S_IFDIR | 0750U);
  ASSERT_EQ(piped.error, 0);
  EXPECT_EQ(piped.as<fuse_entry_out>().attr.mode, S_IFIFO | 0600U);
  EXPECT_EQ(kernel().ask(FUSE_MKDIR, FUSE_ROOT_ID, bytes_of(dir) + name_bytes("d")).error, EEXIST);
}

TEST_F(Names, SymlinksAreMadeAndRead) {
  serve({memory_symlink("old", "target")});

  EXPECT_EQ(kernel().ask(FUSE_READLINK, node("old")).body, "target");
  const auto made = kernel().ask(FUSE_SYMLINK, FUSE_ROOT_ID, name_bytes("new") + name_bytes("some/where"));
  ASSERT_EQ(made.error, 0);
  EXPECT_EQ(kernel().ask(FUSE_READLINK, made.as<fuse_entry_out>().nodeid).body, "some/where");
  EXPECT_EQ(kernel().ask(FUSE_READLINK, FUSE_ROOT_ID).error, EINVAL);
}

TEST_F(Names, ALinkIsTheSameInode) {
  serve({memory_file("f", "text")});
  const std::uint64_t f = node("f");

  const auto made = kernel().ask(FUSE_LINK, FUSE_ROOT_ID, bytes_of(fuse_link_in{f}) + name_bytes("g"));

  ASSERT_EQ(made.error, 0);
  EXPECT_EQ(made.as<fuse_entry_out>().nodeid, f);
  EXPECT_EQ(node("g"), f);
}

TEST_F(Names, AreRemovedAndRenamed) {
  serve({memory_dir("d"), memory_file("d/f", "1"), memory_file("g", "2")});
  const std::uint64_t d = node("d");

  EXPECT_EQ(kernel().ask(FUSE_RMDIR, FUSE_ROOT_ID, name_bytes("d")).error, ENOTEMPTY);
  EXPECT_EQ(kernel().ask(FUSE_UNLINK, d, name_bytes("f")).error, 0);
  EXPECT_EQ(kernel().lookup(d, "f").as<fuse_entry_out>().nodeid, 0U);
  fuse_rename2_in rename{};
  rename.newdir = d;
  EXPECT_EQ(kernel().ask(FUSE_RENAME2, FUSE_ROOT_ID, bytes_of(rename) + name_bytes("g") + name_bytes("h")).error, 0);
  EXPECT_EQ(found(d, "h").attr.size, 1U);
  rename.flags = RENAME_NOREPLACE;
  rename.newdir = FUSE_ROOT_ID;
  EXPECT_EQ(kernel().ask(FUSE_RENAME2, d, bytes_of(rename) + name_bytes("h") + name_bytes("d")).error, EEXIST);
  EXPECT_EQ(kernel().ask(FUSE_UNLINK, FUSE_ROOT_ID, name_bytes("none")).error, ENOENT);
}

}  // namespace
}  // namespace acetate::fs
