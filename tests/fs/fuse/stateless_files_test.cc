// fs/fuse/stateless_files.cc: mounts whose files are never opened.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys/file.h"
#include "layers/dir_layer.h"
#include "layers/stack.h"
#include "tests/fs/fuse/served.h"
#include "tests/support/counting.h"

namespace acetate::fs {
namespace {

using test::bytes_of;
using test::name_bytes;

// A read-only mount without OPEN: the handles are the session's.
class Stateless : public ::testing::Test {
 protected:
  Stateless() {
    lower_ = *make_memory_layer({memory_dir("d"), memory_file("d/f", "text"), memory_file("g", "more")});
    overlay_ = *Overlay::open(lower_, std::nullopt, std::nullopt, {});
    SessionOptions options = one_thread();
    options.stateless = true;
    served_.emplace(*overlay_, options);
  }
  test::FakeFuse& kernel() { return served_->kernel; }
  LayerPtr lower_;
  std::unique_ptr<Overlay> overlay_;
  std::optional<ServedOverlay> served_;
};

TEST_F(Stateless, OpensAreLeftOut) {
  EXPECT_EQ(kernel().init().flags & FUSE_ATOMIC_O_TRUNC, 0U);
  const auto d = kernel().lookup(FUSE_ROOT_ID, "d").as<fuse_entry_out>().nodeid;
  const auto f = kernel().lookup(d, "f").as<fuse_entry_out>().nodeid;

  EXPECT_EQ(kernel().open(f, O_RDONLY).error, ENOSYS);
  EXPECT_EQ(kernel().open(d, 0, FUSE_OPENDIR).error, ENOSYS);
  EXPECT_EQ(kernel().read(f, 0, 0, 100).body, "text");
  EXPECT_EQ(kernel().read(f, 0, 2, 100).body, "xt");
  EXPECT_EQ(test::parse_dirents(kernel().read(d, 0, 0, 4096, FUSE_READDIR), false).size(), 3U);
  EXPECT_EQ(kernel().read(d, 0, 0, 100).error, EISDIR);
  EXPECT_EQ(kernel().read(4711, 0, 0, 100).error, ESTALE);
  EXPECT_EQ(overlay_->stats().handles, 1U);  // kept for the next read
  (void)served_->end();
  EXPECT_EQ(overlay_->stats().handles, 0U);
}

TEST_F(Stateless, AFileThatARefreshReplacedIsWhatItWasToWhoeverHasItOpen) {
  kernel().init();
  const auto g = kernel().lookup(FUSE_ROOT_ID, "g").as<fuse_entry_out>().nodeid;
  const LayerPtr added = *make_memory_layer({memory_file("g", "new")});

  // Nobody has read of it yet: the daemon has nothing open.
  overlay_->refresh(*make_stack({added, lower_}), "", true);

  EXPECT_EQ(kernel().read(g, 0, 0, 100).body, "more");
  const auto now = kernel().lookup(FUSE_ROOT_ID, "g").as<fuse_entry_out>().nodeid;
  EXPECT_NE(now, g);
  EXPECT_EQ(kernel().read(now, 0, 0, 100).body, "new");
  overlay_->refresh(*make_stack({added, lower_}), "", true);
  EXPECT_EQ(kernel().read(g, 0, 0, 100).body, "more");
  EXPECT_EQ(overlay_->stats().inodes, 3U);
  kernel().forget(g, 1);
  EXPECT_EQ(kernel().read(g, 0, 0, 100).error, ESTALE);
  EXPECT_EQ(overlay_->stats().inodes, 2U);
}

TEST_F(Stateless, KernelsThatKnowNoSuchAnswerOpenAsEver) {
  kernel().init(FUSE_ASYNC_READ);
  const auto g = kernel().lookup(FUSE_ROOT_ID, "g").as<fuse_entry_out>().nodeid;

  const auto opened = kernel().open(g, O_RDONLY);

  ASSERT_EQ(opened.error, 0);
  EXPECT_EQ(kernel().read(g, opened.as<fuse_open_out>().fh, 0, 100).body, "more");
}

TEST(StatelessFiles, KeepOnlySoManyOpen) {
  std::vector<MemoryEntry> entries;
  for (int i = 0; i < 1000; ++i) entries.push_back(memory_file(fmt::format("f{}", i), fmt::format("{}", i)));
  auto overlay = *Overlay::open(*make_memory_layer(std::move(entries)), std::nullopt, std::nullopt, {});
  SessionOptions options = one_thread();
  options.stateless = true;
  ServedOverlay served(*overlay, options);
  served.kernel.init();

  for (int i = 0; i < 1000; ++i) {
    const auto f = served.kernel.lookup(FUSE_ROOT_ID, fmt::format("f{}", i)).as<fuse_entry_out>().nodeid;
    EXPECT_EQ(served.kernel.read(f, 0, 0, 100).body, fmt::format("{}", i));
  }

  EXPECT_LE(overlay->stats().handles, 256U);
  EXPECT_GT(overlay->stats().handles, 0U);
}

// The same with an upper: CREATE is left out too, and every request comes without a handle.
class StatelessWriting : public FuseTest {
 protected:
  void serve_without_open(std::vector<MemoryEntry> lower) {
    SessionOptions options = one_thread();
    options.stateless = true;
    serve(std::move(lower), options);
  }
  test::FuseReply mknod(std::string_view name, std::uint64_t parent = FUSE_ROOT_ID) {
    fuse_mknod_in in{};
    in.mode = S_IFREG | 0644;
    return kernel().ask(FUSE_MKNOD, parent, bytes_of(in) + name_bytes(name));
  }
  test::FuseReply write(std::uint64_t of, std::uint64_t offset, std::string_view text) {
    fuse_write_in in{};
    in.offset = offset;
    in.size = static_cast<std::uint32_t>(text.size());
    return kernel().ask(FUSE_WRITE, of, bytes_of(in) + std::string(text));
  }
  test::FuseReply resize(std::uint64_t of, std::uint64_t size, bool through_open) {
    fuse_setattr_in in{};
    in.valid = FATTR_SIZE | (through_open ? FATTR_FH : 0);
    in.size = size;
    return kernel().ask(FUSE_SETATTR, of, bytes_of(in));
  }
  std::string text_of(std::uint64_t of) { return kernel().read(of, 0, 0, 4096).body; }
  // A FORGET gets no answer: the next request that does comes after it.
  void forget(std::uint64_t of, std::uint64_t count) {
    kernel().forget(of, count);
    EXPECT_EQ(kernel().ask(FUSE_STATFS, FUSE_ROOT_ID).error, 0);
  }
};

TEST_F(StatelessWriting, CreateAndOpenAreLeftOutAndMknodMakesFiles) {
  serve_without_open({memory_file("f", "lower")});
  fuse_create_in in{};
  in.mode = S_IFREG | 0644;
  EXPECT_EQ(kernel().ask(FUSE_CREATE, FUSE_ROOT_ID, bytes_of(in) + name_bytes("new")).error, ENOSYS);
  EXPECT_EQ(kernel().open(node("f"), O_RDWR).error, ENOSYS);

  const auto made = mknod("new").as<fuse_entry_out>();
  EXPECT_EQ(write(made.nodeid, 0, "text").as<fuse_write_out>().size, 4U);

  EXPECT_EQ(text_of(made.nodeid), "text");
  EXPECT_EQ(*mounted().read("new"), "text");
  EXPECT_EQ(mknod("new").error, EEXIST);
}

TEST_F(StatelessWriting, TheFirstWriteCopiesUpAndEveryReaderSeesIt) {
  serve_without_open({memory_file("f", "lower")});
  const std::uint64_t f = node("f");
  EXPECT_EQ(text_of(f), "lower");
  EXPECT_EQ(overlay().stats().copy_ups, 0U);

  EXPECT_EQ(write(f, 0, "UPPER").as<fuse_write_out>().size, 5U);

  EXPECT_EQ(overlay().stats().copy_ups, 1U);
  EXPECT_EQ(text_of(f), "UPPER");
}

TEST_F(StatelessWriting, TruncationCopiesOnlyWhatItLeaves) {
  serve_without_open({memory_file("f", "lower"), memory_file("g", "lower")});

  EXPECT_EQ(resize(node("f"), 0, false).as<fuse_attr_out>().attr.size, 0U);
  EXPECT_EQ(resize(node("g"), 2, true).as<fuse_attr_out>().attr.size, 2U);

  EXPECT_EQ(overlay().stats().copied_bytes, 2U);
  EXPECT_EQ(text_of(node("g")), "lo");
}

// `: >stamp` must make an empty file newer, and comes as truncate(2) to nothing does.
TEST_F(StatelessWriting, EmptyingAnEmptyFileChangesItsTimes) {
  serve_without_open({});
  const std::uint64_t f = mknod("f").as<fuse_entry_out>().nodeid;
  fuse_setattr_in in{};
  in.valid = FATTR_MTIME;
  in.mtime = 1000;
  ASSERT_EQ(kernel().ask(FUSE_SETATTR, f, bytes_of(in)).error, 0);

  EXPECT_GT(resize(f, 0, false).as<fuse_attr_out>().attr.mtime, 1000U);
}

TEST_F(StatelessWriting, AFileWithoutANameIsWrittenUntilItIsForgottenAndThenItsSpaceIsFree) {
  serve_without_open({memory_file("l", "lower")});
  const std::uint64_t f = mknod("f").as<fuse_entry_out>().nodeid;
  const std::uint64_t l = node("l");
  ASSERT_EQ(kernel().ask(FUSE_UNLINK, FUSE_ROOT_ID, name_bytes("f")).error, 0);
  ASSERT_EQ(kernel().ask(FUSE_UNLINK, FUSE_ROOT_ID, name_bytes("l")).error, 0);

  EXPECT_EQ(write(f, 0, "mine").as<fuse_write_out>().size, 4U);
  EXPECT_EQ(text_of(f), "mine");
  EXPECT_EQ(write(l, 0, "L").as<fuse_write_out>().size, 1U);
  EXPECT_EQ(text_of(l), "Lower");
  EXPECT_EQ(resize(f, 1, true).as<fuse_attr_out>().attr.size, 1U);
  EXPECT_EQ(overlay().stats().handles, 2U);

  forget(f, 1);
  forget(l, 1);
  EXPECT_EQ(overlay().stats().handles, 0U);
  EXPECT_EQ(overlay().stats().inodes, 1U);
}

TEST_F(StatelessWriting, EveryOtherChangeOfBytesWorksWithoutAHandleToo) {
  serve_without_open({memory_file("f", "0123456789"), memory_file("g", "lower")});
  const std::uint64_t f = node("f");
  const std::uint64_t g = node("g");
  fuse_fsync_in sync{};
  fuse_fallocate_in grow{};
  grow.length = 100;
  EXPECT_EQ(write(f, 0, "0").error, 0);
  EXPECT_EQ(kernel().ask(FUSE_FSYNC, f, bytes_of(sync)).error, 0);
  EXPECT_EQ(kernel().ask(FUSE_FALLOCATE, g, bytes_of(grow)).error, 0);
  fuse_copy_file_range_in copy{};
  copy.nodeid_out = g;
  copy.off_out = 5;
  copy.len = 10;
  EXPECT_EQ(kernel().ask(FUSE_COPY_FILE_RANGE, f, bytes_of(copy)).as<fuse_write_out>().size, 10U);
  EXPECT_EQ(text_of(g).substr(0, 15), "lower0123456789");
  EXPECT_EQ(text_of(g).size(), 100U);
}

// What the kernel asks for when a file is made, written and closed (live_mount_test.cc counts the requests); the answers cost
// so many system calls of ours beside reading a request and replying.
TEST_F(StatelessWriting, ANewFileThatIsWrittenCostsFiveCallsAndAClose) {
  serve_without_open({});
  fuse_mkdir_in directory{};
  directory.mode = 0755;
  const std::uint64_t d = kernel().ask(FUSE_MKDIR, FUSE_ROOT_ID, bytes_of(directory) + name_bytes("d")).as<fuse_entry_out>().nodeid;
  ASSERT_EQ(mknod("warm", d).error, 0);  // the directory is open
  fuse_getattr_in attributes{};
  fuse_getxattr_in capability{};

  const test::Counting counting;
  const auto absent = kernel().lookup(d, "new").as<fuse_entry_out>();
  const auto made = mknod("new", d).as<fuse_entry_out>();
  EXPECT_EQ(absent.nodeid, 0U);
  EXPECT_EQ(kernel().ask(FUSE_GETXATTR, made.nodeid, bytes_of(capability) + name_bytes("security.capability")).error, ENODATA);
  EXPECT_EQ(write(made.nodeid, 0, "text").as<fuse_write_out>().size, 4U);
  EXPECT_EQ(kernel().ask(FUSE_GETATTR, d, bytes_of(attributes)).error, 0);

  EXPECT_LE(counting.count(), 5);  // is it there, make it, which is it, write it, what is the directory now
}

TEST_F(StatelessWriting, AColdReadOfALowerFileIsTwoRequests) {
  test::TempDir dir;
  dir.write("f", "text");
  dir.write("g", "text");
  mounted_.emplace(*make_stack({*open_dir_layer(dir.open())}), OverlayOptions{.durable = false});
  SessionOptions options = one_thread();
  options.stateless = true;
  served_.emplace(mounted_->overlay(), options);
  kernel().init();
  ASSERT_EQ(text_of(node("g")), "text");  // the directory's names are known

  const test::Counting counting;
  EXPECT_EQ(text_of(node("f")), "text");

  EXPECT_LE(counting.count(), 5);  // is it in the upper, what is it below, open, how long is it, read
}

}  // namespace
}  // namespace acetate::fs
