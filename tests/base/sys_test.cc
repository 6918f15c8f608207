#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include "base/sys/call.h"
#include "base/sys/copy.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/open.h"
#include "base/sys/process.h"
#include "base/sys/standard_descriptors.h"
#include "base/sys/unix_socket.h"
#include "tests/support/temp_dir.h"

namespace acetate::sys {
namespace {

using test::TempDir;

// Makes one kind of call fail with one errno while it lives.
class Failing final : public Hook {
 public:
  Failing(Call call, int code) : call_(call), code_(code), before_(install(this)) {}
  ~Failing() override { install(before_); }
  int before(Call call) noexcept override { return call == call_ ? code_ : 0; }

 private:
  Call call_;
  int code_;
  Hook* before_;
};

RelPath rel(std::string_view text) { return *RelPath::parse(text); }

class OpenBeneath : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) without_openat2_.emplace(Call::openat2, EPERM);
    dir_.write("a/b", "text");
    ASSERT_TRUE(symlink("/a/b", {dir_fd(), "absolute"}));
    ASSERT_TRUE(symlink("../../../a", {dir_fd(), "up"}));
    ASSERT_TRUE(symlink("loop", {dir_fd(), "loop"}));
  }
  FdRef dir_fd() { return (root_ ? root_ : root_ = dir_.open()).ref(); }
  TempDir dir_;
  Fd root_;
  std::optional<Failing> without_openat2_;
};

TEST_P(OpenBeneath, OpensPlainPathsAndTheRoot) {
  EXPECT_TRUE(open_beneath(dir_fd(), rel("a/b"), O_RDONLY));
  EXPECT_TRUE(open_beneath(dir_fd(), RelPath(), O_RDONLY | O_DIRECTORY));
  EXPECT_TRUE(open_beneath(dir_fd(), rel("a/none"), O_RDONLY).error().is(ENOENT));
  EXPECT_TRUE(open_beneath(dir_fd(), rel("a/b/c"), O_RDONLY).error().is(ENOTDIR));
}

TEST_P(OpenBeneath, RefusesSymlinksUnlessTold) {
  EXPECT_TRUE(open_beneath(dir_fd(), rel("absolute"), O_RDONLY).error().is(ELOOP));
  EXPECT_TRUE(open_beneath(dir_fd(), rel("up/b"), O_RDONLY).error().is(ELOOP));
  EXPECT_TRUE(open_beneath(dir_fd(), rel("absolute"), O_PATH | O_NOFOLLOW));
}

TEST_P(OpenBeneath, FollowsAsIfChrooted) {
  for (const char* path : {"absolute", "up/b"}) {
    auto file = open_beneath(dir_fd(), rel(path), O_RDONLY, 0, Symlinks::in_root);
    ASSERT_TRUE(file) << path << ": " << file.error().message();
    EXPECT_EQ(*read_all(file->ref(), 100), "text");
  }
  EXPECT_TRUE(open_beneath(dir_fd(), rel("loop"), O_RDONLY, 0, Symlinks::in_root).error().is(ELOOP));
}

INSTANTIATE_TEST_SUITE_P(Sys, OpenBeneath, ::testing::Values(false, true),
                         [](const auto& parameter) { return parameter.param ? "ByWalk" : "ByOpenat2"; });

TEST(Copy, KeepsHolesAndBytes) {
  TempDir dir;
  Fd from = *open(dir / "from", O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(truncate(from.ref(), 64 << 20));
  ASSERT_TRUE(pwrite_full(from.ref(), std::as_bytes(std::span("middle", 6)), 32 << 20));

  for (const bool plain : {false, true}) {
    std::optional<Failing> no_clone, no_range;
    if (plain) no_range.emplace(Call::copy_file_range, EXDEV);
    if (!plain) no_clone.emplace(Call::ficlone, EOPNOTSUPP);
    Fd to = *open(dir / (plain ? "plain" : "range"), O_RDWR | O_CREAT, 0600);

    ASSERT_TRUE(copy_file(from.ref(), to.ref()));

    const auto st = *stat(to.ref());
    EXPECT_EQ(st.st_size, 64 << 20);
    EXPECT_LT(st.st_blocks, 2048);
    std::byte text[6];
    ASSERT_EQ(*pread_full(to.ref(), text, 32 << 20), 6U);
    EXPECT_EQ(std::memcmp(text, "middle", 6), 0);
  }
}

TEST(RemoveTree, RemovesWhatItsOwnerMayNotRead) {
  TempDir dir;
  dir.write("t/a/b/c", "x");
  ::chmod((dir / "t/a").c_str(), 0);

  ASSERT_TRUE(remove_tree({kWorkingDir, (dir / "t").c_str()}));

  EXPECT_FALSE(dir.exists("t"));
}

TEST(RemoveTree, ADirectoryThatIsOpenKeepsItsMode) {
  TempDir dir;
  dir.write("t/a/b", "x");
  ::chmod((dir / "t/a").c_str(), 0444);
  ::chmod((dir / "t").c_str(), 0555);
  const Fd top = *open(dir / "t", O_RDONLY);
  const Fd below = *open(dir / "t/a", O_PATH);

  ASSERT_TRUE(remove_tree({kWorkingDir, (dir / "t").c_str()}));

  EXPECT_EQ(stat(top.ref())->st_mode & 07777, 0555U);
  EXPECT_EQ(stat(below.ref())->st_mode & 07777, 0444U);
}

TEST(WriteFileAtomically, LeavesTheOldFileWhenTheDiskIsFull) {
  TempDir dir;
  dir.write("f", "old");
  Fd at = dir.open();
  {
    Failing full(Call::write, ENOSPC);
    EXPECT_TRUE(write_file_atomically({at.ref(), "f"}, "new", 0644).error().is(ENOSPC));
  }
  EXPECT_EQ(dir.read("f"), "old");
  int names = 0;
  Fd readable = *open(dir.path(), O_RDONLY);
  ASSERT_TRUE(read_dir(readable.ref(), [&](const DirEntry&) { return ++names, true; }));
  EXPECT_EQ(names, 1);

  ASSERT_TRUE(write_file_atomically({at.ref(), "f"}, "new", 0644));
  EXPECT_EQ(dir.read("f"), "new");
}

TEST(WriteFileAtomically, TakesPathsWithFolders) {
  TempDir dir;
  dir.mkdir("sub");
  const std::string path = dir / "sub/f";

  ASSERT_TRUE(write_file_atomically({kWorkingDir, path.c_str()}, "there", 0644));

  EXPECT_EQ(dir.read("sub/f"), "there");
}

TEST(Spawn, GivesTheExitCodeAndTheOutput) {
  auto captured = run_captured({.argv = {"sh", "-c", "echo out; echo err >&2; exit 3"}});
  ASSERT_TRUE(captured);
  EXPECT_EQ(captured->out, "out\n");
  EXPECT_EQ(captured->err, "err\n");
  EXPECT_EQ(captured->exit.shell_code(), 3);
}

TEST(Spawn, NamesAProgramThatIsNotThere) {
  auto child = spawn({.argv = {"no-such-program-here"}});
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().message(), "no-such-program-here: No such file or directory");
}

TEST(FindProgram, DoesNotLookWhereWeHappenToBe) {
  TempDir dir;
  dir.write("helper", "#!/bin/sh\n", 0755);
  const std::string path = ::getenv("PATH");
  const auto here = std::filesystem::current_path();
  std::filesystem::current_path(dir.path());
  ::setenv("PATH", (":" + path + "::").c_str(), 1);
  const auto found = find_program("helper");
  ::setenv("PATH", path.c_str(), 1);
  std::filesystem::current_path(here);
  EXPECT_FALSE(found) << *found;
}

TEST(Spawn, PassesNoDescriptorThatWasNotAskedFor) {
  Pipe leaked = *make_pipe();
  ::fcntl(leaked.write.ref().fd, F_SETFD, 0);
  auto captured = run_captured({.argv = {"ls", "/proc/self/fd"}});
  ASSERT_TRUE(captured);
  EXPECT_EQ(captured->out, "0\n1\n2\n3\n");  // 3 is ls reading the directory
}

TEST(StandardDescriptors, ThatAreClosedAreNoFilesOfOurs) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    for (const int closed : {0, 1, 2}) ::close(closed);
    if (!fill_standard_descriptors()) ::_exit(1);
    char byte = 0;
    if (::read(0, &byte, 1) != 0 || ::write(1, "x", 1) != 1 || ::write(2, "x", 1) != 1) ::_exit(2);
    const auto file = open("/proc/self/exe", O_RDONLY);
    ::_exit(file && file->ref().fd > 2 ? 0 : 3);
  }
  Child child(pid);

  const auto exit = child.wait();
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->code, 0);
}

TEST(StandardDescriptors, ThatAreOpenStayWhatTheyAre) {
  const Pipe pipe = *make_pipe();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(pipe.write.ref().fd, 2);
    ::close(0);
    if (!fill_standard_descriptors()) ::_exit(1);
    ::_exit(::write(2, "kept", 4) == 4 ? 0 : 2);
  }
  Child child(pid);

  ASSERT_TRUE(child.wait());
  std::array<std::byte, 4> said{};
  EXPECT_EQ(*read(pipe.read.ref(), said), 4U);
}

TEST(UnixSocket, APeerThatHungUpIsAnErrorAndNoSignal) {
  SocketPair pair = *make_socket_pair();
  pair.other.reset();
  const auto sent = send_full(pair.one.ref(), "hello");
  ASSERT_FALSE(sent);
  EXPECT_TRUE(sent.error().is(EPIPE));
}

TEST(Mountinfo, DecodesOctalEscapes) {
  auto all = parse_mountinfo("36 35 98:0 / /a\\040b rw,noatime master:1 - fuse.fuse-overlay fuse-overlay rw\nrubbish\n");
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].mount_point, "/a b");
  EXPECT_EQ(all[0].type, "fuse.fuse-overlay");
}

// kill(2) takes -1 for every process there is.
TEST(Child, ThatHasEndedIsNotSignalled) {
  auto child = spawn({.argv = {"true"}});
  ASSERT_TRUE(child) << child.error().message();
  ASSERT_TRUE(child->wait());
  EXPECT_TRUE(child->kill(0).error().is(ESRCH));
}

}  // namespace
}  // namespace acetate::sys
