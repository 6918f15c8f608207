// fs/fuse/ops_file.cc: open files.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/fuse/privileges.h"
#include "tests/fs/fuse/served.h"

namespace acetate::fs {
namespace {

using test::bytes_of;
using test::name_bytes;

class Files : public FuseTest {
 protected:
  test::FuseReply write(std::uint64_t of, std::uint64_t handle, std::uint64_t offset, std::string_view text) {
    fuse_write_in in{};
    in.fh = handle;
    in.offset = offset;
    in.size = static_cast<std::uint32_t>(text.size());
    return kernel().ask(FUSE_WRITE, of, bytes_of(in) + std::string(text));
  }
  test::FuseReply create(std::string_view name, std::uint32_t mode, std::uint32_t umask = 0) {
    fuse_create_in in{};
    in.flags = O_RDWR | O_CREAT;
    in.mode = S_IFREG | mode;
    in.umask = umask;
    return kernel().ask(FUSE_CREATE, FUSE_ROOT_ID, bytes_of(in) + name_bytes(name));
  }
};

TEST_F(Files, AreReadAndKeptInTheKernelsCache) {
  serve({memory_file("f", "hello world")});
  const std::uint64_t f = node("f");
  const auto opened = kernel().open(f, O_RDONLY).as<fuse_open_out>();

  EXPECT_NE(opened.open_flags & FOPEN_KEEP_CACHE, 0U);
  EXPECT_EQ(kernel().read(f, opened.fh, 0, 5).body, "hello");
  EXPECT_EQ(kernel().read(f, opened.fh, 6, 4096).body, "world");
  EXPECT_EQ(kernel().read(f, opened.fh, 100, 4096).body, "");
}

TEST_F(Files, AreNotKeptInTheCacheWithoutATimeout) {
  SessionOptions options = one_thread();
  options.timeout = 0;
  serve({memory_file("f", "x")}, options);

  EXPECT_EQ(kernel().open(node("f"), O_RDONLY).as<fuse_open_out>().open_flags & FOPEN_KEEP_CACHE, 0U);
}

TEST_F(Files, ACopyUpReachesTheHandlesThatWereOpenBefore) {
  serve({memory_file("f", "lower")});
  const std::uint64_t f = node("f");
  const std::uint64_t reader = handle(f, O_RDONLY);
  const std::uint64_t writer = handle(f, O_RDWR);

  EXPECT_EQ(write(f, writer, 0, "UPPER").as<fuse_write_out>().size, 5U);

  EXPECT_EQ(kernel().read(f, reader, 0, 100).body, "UPPER");
  EXPECT_EQ(mounted().upper().at("f"), "UPPER");
}

TEST_F(Files, AreMadeOpenAndCounted) {
  serve({});

  const auto made = create("new", 0666, 022);

  ASSERT_EQ(made.error, 0);
  const auto entry = made.as<fuse_entry_out>();
  const auto opened = made.as<fuse_open_out>(sizeof(fuse_entry_out));
  EXPECT_EQ(entry.attr.mode, S_IFREG | 0644U);
  EXPECT_EQ(write(entry.nodeid, opened.fh, 0, "text").error, 0);
  fuse_release_in release{};
  release.fh = opened.fh;
  EXPECT_EQ(kernel().ask(FUSE_RELEASE, entry.nodeid, bytes_of(release)).error, 0);
  EXPECT_EQ(overlay().stats().handles, 0U);
  EXPECT_EQ(mounted().upper().at("new"), "text");
}

TEST_F(Files, AreClosedAndForgottenWhenTheReplyIsNotTaken) {
  serve({memory_file("f", "text")});
  const std::uint64_t before = overlay().stats().inodes;
  const std::uint64_t f = node("f");
  fuse_create_in in{};
  in.flags = O_RDWR | O_CREAT;
  in.mode = S_IFREG | 0644;
  kernel().stop_listening();

  kernel().send(FUSE_CREATE, FUSE_ROOT_ID, bytes_of(in) + name_bytes("new"));
  kernel().send(FUSE_OPEN, f, bytes_of(fuse_open_in{}));
  kernel().send(FUSE_LOOKUP, FUSE_ROOT_ID, name_bytes("f"));
  (void)end();

  EXPECT_EQ(overlay().stats().handles, 0U);
  EXPECT_EQ(overlay().stats().inodes, before + 1);  // only the lookup that was taken
}

TEST_F(Files, ATruncatingOpenDropsSuidUnlessTheCallerMayLeaveIt) {
  if (!have(CAP_FSETID)) GTEST_SKIP() << "needs CAP_FSETID in the first user namespace";
  serve({memory_file("a", "text", 06755), memory_file("b", "text", 06755)});

  kernel().pid = 0;  // somebody of whom nothing is known
  const std::uint64_t a = node("a");
  kernel().notifications();
  (void)handle(a, O_WRONLY | O_TRUNC);
  // The answer to an open has no attributes: without a word the kernel would go on with the old mode.
  const auto told = kernel().notifications();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].as<fuse_notify_inval_inode_out>().ino, a);
  kernel().pid = ::getpid();
  (void)handle(node("b"), O_WRONLY | O_TRUNC);

  EXPECT_EQ(found(FUSE_ROOT_ID, "a").attr.mode, S_IFREG | 0755U);
  EXPECT_EQ(found(FUSE_ROOT_ID, "a").attr.size, 0U);
  EXPECT_EQ(found(FUSE_ROOT_ID, "b").attr.mode, S_IFREG | 06755U);
}

// libfuse 3.14 cannot ask for the dropping of suid to be left to us: there the kernel does it, by a SETATTR before the write.
#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2

TEST_F(Files, AWriteDropsSuidUnlessTheCallerMayLeaveIt) {
  if (!have(CAP_FSETID)) GTEST_SKIP() << "needs CAP_FSETID in the first user namespace";
  serve({});
  kernel().pid = ::getpid();
  const auto created = create("f", 04755);
  ASSERT_EQ(created.error, 0);
  const std::uint64_t f = created.as<fuse_entry_out>().nodeid;
  const std::uint64_t open = created.as<fuse_open_out>(sizeof(fuse_entry_out)).fh;

  EXPECT_EQ(write(f, open, 0, "x").error, 0);
  EXPECT_EQ(mounted().attr("f").mode & 07777, 04755U);
  kernel().pid = 0;  // somebody of whom nothing is known; also root without that capability
  EXPECT_EQ(write(f, open, 0, "x").error, 0);
  EXPECT_EQ(mounted().attr("f").mode & 07777, 0755U);
}

TEST_F(Files, AStrangerToTheGroupTakesSgidAwayWhereTheGroupMayNotExecuteToo) {
  if (!have(CAP_FSETID)) GTEST_SKIP() << "needs CAP_FSETID in the first user namespace";
  serve({memory_file("a", "text", 06666), memory_file("b", "text", 02666)});
  const std::uint64_t a = node("a");
  const std::uint64_t b = node("b");
  const std::uint64_t into_a = handle(a, O_RDWR);
  const std::uint64_t into_b = handle(b, O_RDWR);
  kernel().pid = 0;  // somebody of whom nothing is known but what the request says
  kernel().gid = 0;
  EXPECT_EQ(write(b, into_b, 0, "x").error, 0);  // one of the group, who changes nothing: nobody has to ask again
  EXPECT_EQ(kernel().notifications().size(), 0U);
  kernel().gid = 4711;

  EXPECT_EQ(write(b, into_b, 0, "x").error, 0);
  fuse_fallocate_in allocate{};
  allocate.fh = into_a;
  allocate.length = 4096;
  EXPECT_EQ(kernel().ask(FUSE_FALLOCATE, a, bytes_of(allocate)).error, 0);

  EXPECT_EQ(mounted().attr("a").mode & 07777, 0666U);
  EXPECT_EQ(mounted().attr("b").mode & 07777, 0666U);
  EXPECT_EQ(kernel().notifications().size(), 2U);
}

TEST_F(Files, AnAllocationAndACopyDropSuidAsAWriteDoes) {
  if (!have(CAP_FSETID)) GTEST_SKIP() << "needs CAP_FSETID in the first user namespace";
  serve({memory_file("a", "text", 04755), memory_file("b", "text", 04755)});
  const std::uint64_t a = node("a");
  const std::uint64_t b = node("b");
  const std::uint64_t into_a = handle(a, O_RDWR);
  const std::uint64_t into_b = handle(b, O_RDWR);
  kernel().pid = 0;

  fuse_fallocate_in allocate{};
  allocate.fh = into_a;
  allocate.length = 4096;
  EXPECT_EQ(kernel().ask(FUSE_FALLOCATE, a, bytes_of(allocate)).error, 0);
  fuse_copy_file_range_in copy{};
  copy.fh_in = into_a;
  copy.nodeid_out = b;
  copy.fh_out = into_b;
  copy.len = 4;
  EXPECT_EQ(kernel().ask(FUSE_COPY_FILE_RANGE, a, bytes_of(copy)).error, 0);

  EXPECT_EQ(mounted().attr("a").mode & 07777, 0755U);
  EXPECT_EQ(mounted().attr("b").mode & 07777, 0755U);
}

#endif

TEST_F(Files, AreOpenedForReadingTooWhenTheKernelWritesBack) {
  SessionOptions options = one_thread();
  options.writeback = true;
  serve({memory_file("f", "0123456789")}, options);
  const std::uint64_t f = node("f");
  const std::uint64_t writer = handle(f, O_WRONLY | O_APPEND);

  EXPECT_EQ(kernel().read(f, writer, 0, 100).body, "0123456789");
  EXPECT_EQ(write(f, writer, 2, "xx").error, 0);  // the kernel says where, also when it appends
  EXPECT_EQ(kernel().read(f, writer, 0, 100).body, "01xx456789");
}

TEST_F(Files, SyncReachesTheOverlayOrIsNotWanted) {
  serve({memory_file("f", "")}, one_thread(), {.durable = true});
  const std::uint64_t f = node("f");
  fuse_fsync_in in{};
  in.fh = handle(f, O_RDWR);
  EXPECT_EQ(kernel().ask(FUSE_FSYNC, f, bytes_of(in)).error, 0);
  EXPECT_EQ(kernel().ask(FUSE_FLUSH, f, bytes_of(fuse_flush_in{})).error, ENOSYS);
  (void)end();

  SessionOptions options = one_thread();
  options.durable = false;
  serve({memory_file("f", "")}, options, {.durable = false});
  in.fh = handle(node("f"), O_RDWR);
  EXPECT_EQ(kernel().ask(FUSE_FSYNC, node("f"), bytes_of(in)).error, ENOSYS);
}

TEST_F(Files, HaveHolesThatCanBeFoundAndMade) {
  serve({});
  const auto made = create("f", 0644);
  const std::uint64_t f = made.as<fuse_entry_out>().nodeid;
  const std::uint64_t open = made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh;
  EXPECT_EQ(write(f, open, 1 << 20, "end").error, 0);
  fuse_lseek_in seek{};
  seek.fh = open;
  seek.whence = SEEK_DATA;

  const auto data = kernel().ask(FUSE_LSEEK, f, bytes_of(seek));
  ASSERT_EQ(data.error, 0);
  EXPECT_LE(data.as<fuse_lseek_out>().offset, 1U << 20);
  seek.offset = 2 << 20;
  EXPECT_EQ(kernel().ask(FUSE_LSEEK, f, bytes_of(seek)).error, ENXIO);
  fuse_fallocate_in allocate{};
  allocate.fh = open;
  allocate.length = 3 << 20;
  EXPECT_EQ(kernel().ask(FUSE_FALLOCATE, f, bytes_of(allocate)).error, 0);
  EXPECT_EQ(found(FUSE_ROOT_ID, "f").attr.size, 3U << 20);
}

TEST_F(Files, AreCopiedInPlace) {
  serve({memory_file("lower", "0123456789")});
  const auto from = create("from", 0644);
  const std::uint64_t from_node = from.as<fuse_entry_out>().nodeid;
  const std::uint64_t from_open = from.as<fuse_open_out>(sizeof(fuse_entry_out)).fh;
  ASSERT_EQ(write(from_node, from_open, 0, "0123456789").error, 0);
  const auto made = create("to", 0644);
  fuse_copy_file_range_in in{};
  in.fh_in = from_open;
  in.off_in = 2;
  in.nodeid_out = made.as<fuse_entry_out>().nodeid;
  in.fh_out = made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh;
  in.len = 5;

  const auto reply = kernel().ask(FUSE_COPY_FILE_RANGE, from_node, bytes_of(in));

  ASSERT_EQ(reply.error, 0);
  EXPECT_EQ(reply.as<fuse_write_out>().size, 5U);
  EXPECT_EQ(mounted().upper().at("to"), "23456");
  in.fh_in = 4711;
  EXPECT_EQ(kernel().ask(FUSE_COPY_FILE_RANGE, from_node, bytes_of(in)).error, EBADF);
}

TEST_F(Files, AnswerRequestsOfAbsurdSizeAndOfNoHandle) {
  serve({memory_file("f", "text")});
  const std::uint64_t f = node("f");
  const std::uint64_t open = handle(f, O_RDONLY);

  EXPECT_EQ(kernel().read(f, open, 0, 0xffffffffU).body, "text");
  EXPECT_EQ(kernel().read(f, open, ~0ULL >> 1, 4096).body, "");
  EXPECT_EQ(kernel().read(f, 4711, 0, 4096).error, EBADF);
  EXPECT_EQ(write(f, open, 0, "x").error, EBADF);  // opened for reading
  EXPECT_EQ(kernel().open(FUSE_ROOT_ID, O_RDONLY).error, EISDIR);
}

}  // namespace
}  // namespace acetate::fs
