// Asking and telling a running mount: counters, changed layers, added layers.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "base/sys/unix_socket.h"
#include "base/sys/xattr.h"
#include "fs/control.h"
#include "fs/fuse/kernel_release.h"
#include "layers/layer_spec.h"
#include "layers/stream/partial_blob.h"
#include "layers/tar/index_store.h"
#include "layers/tar/index_writer.h"
#include "layers/tar/tar_scan.h"
#include "tests/fs/fuse/mount_fixture.h"

namespace acetate::fs {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class LiveMountTest : public MountTest {
 protected:
  void TearDown() override {
    ::unsetenv("ACETATE_CACHE");
    ::unsetenv("ACETATE_FETCHER");
    MountTest::TearDown();
  }
  // Answered so far.
  std::uint64_t requests() const {
    std::uint64_t all = 0;
    std::istringstream lines(asked("stat prometheus"));
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with("fuse_overlay_operation_seconds_count{") && line.find("\"forget\"") == std::string::npos)
        all += std::stoull(line.substr(line.rfind(' ') + 1));
    return all;
  }
  std::vector<std::string> sockets() const {
    std::vector<std::string> names;
    const auto dir = sys::open(dir_ / "run/acetate", O_RDONLY | O_DIRECTORY);
    if (!dir) return names;
    EXPECT_TRUE(sys::read_dir(dir->ref(), [&](const sys::DirEntry& entry) {
      if (entry.name != "." && entry.name != "..") names.emplace_back(entry.name);
      return true;
    }));
    return names;
  }
};

// As a walker of a read-only mount asks, until the kernel has been told that there are none.
bool asks_until_told(const std::string& file) {
  for (int i = 0; i < 10'000; ++i) {
    char value[8];
    if (::lgetxattr(file.c_str(), "security.capability", value, sizeof value) == -1 && errno == EOPNOTSUPP) return true;
  }
  return false;
}

TEST_F(LiveMountTest, OfALayerWithoutXattrsTakesNoneWithSomeOnceTheKernelDoesNotAsk) {
  auto read_only = request();
  read_only.upper.reset();
  read_only.work.reset();
  dir_.write("tagged/f", "tagged");
  dir_.write("plain/g", "");
  if (!sys::set_xattr(sys::open(dir_ / "tagged/f", O_RDONLY)->ref(), "user.tag", "v")) GTEST_SKIP() << "this attribute may not be set here";
  auto mount = Mount::start(read_only);
  ASSERT_TRUE(mount) << mount.error().message();
  ASSERT_TRUE(asks_until_told(dir_ / "mnt/f"));
  char names[64];
  EXPECT_EQ(::llistxattr((dir_ / "mnt/f").c_str(), names, sizeof names), -1);
  EXPECT_EQ(errno, EOPNOTSUPP);

  EXPECT_THAT(asked("add-top " + (dir_ / "tagged")), HasSubstr("has extended attributes"));
  EXPECT_EQ(dir_.read("mnt/f"), "from below");
  EXPECT_EQ(asked("add-top " + (dir_ / "plain")), "");
  EXPECT_TRUE(dir_.exists("mnt/g"));
}

TEST_F(LiveMountTest, GoesOnBeingAskedForXattrsOnceItsLayersHaveChanged) {
  auto read_only = request();
  read_only.upper.reset();
  read_only.work.reset();
  dir_.write("tagged/f", "tagged");
  if (!sys::set_xattr(sys::open(dir_ / "tagged/f", O_RDONLY)->ref(), "user.tag", "v")) GTEST_SKIP() << "this attribute may not be set here";
  auto mount = Mount::start(read_only);
  ASSERT_TRUE(mount) << mount.error().message();
  ASSERT_EQ(asked("refresh"), "");
  EXPECT_FALSE(asks_until_told(dir_ / "mnt/f"));
  ASSERT_EQ(asked("add-top " + (dir_ / "tagged")), "");
  char value[8];
  EXPECT_EQ(::lgetxattr((dir_ / "mnt/f").c_str(), "user.tag", value, sizeof value), 1);
}

TEST_F(LiveMountTest, CountsWhatItDoesInEveryFormat) {
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();
  dir_.write("mnt/f", "changed");  // copied up

  // An operation is counted when it has been answered.
  std::string json;
  do json = asked("stat json");
  while (json.find("\"lookup\": ") == std::string::npos && json.starts_with("{"));
  EXPECT_THAT(json, HasSubstr("\"copy_ups\": 1"));
  EXPECT_THAT(json, HasSubstr("\"layers\": 1"));
  EXPECT_THAT(json, HasSubstr("\"lookup\": {\"count\": "));
  EXPECT_THAT(asked("stat prometheus"), HasSubstr("\nfuse_overlay_copy_ups_total 1\n"));
  EXPECT_THAT(asked("stat text"), StartsWith("# INODES: "));
  EXPECT_THAT(asked("stat xml"), HasSubstr("'xml' is none of json, prometheus and text"));
  EXPECT_THAT(asked("dance"), HasSubstr("'dance' is none of"));
}

TEST_F(LiveMountTest, ANewFileThatIsWrittenIsFiveRequestsAndAColdReadOfAnOldOneTwo) {
  if (!may_leave_open_out(kernel_release())) GTEST_SKIP() << "this kernel must be answered when it opens a file: " << kernel_release();
  constexpr int kFiles = 20;
  constexpr std::uint64_t kOnce = 5;  // of the directory, and for our asking
  for (int i = 0; i < kFiles; ++i) dir_.write(fmt::format("lower/sub/{}", i), "text");
  MountRequest without_open = request();
  without_open.options.emplace_back("no_open");
  auto mount = Mount::start(without_open);
  ASSERT_TRUE(mount) << mount.error().message();
  dir_.write("mnt/sub/warm", "x");  // OPEN, CREATE and FLUSH are never asked for again

  std::uint64_t before = requests();
  for (int i = 0; i < kFiles; ++i) EXPECT_EQ(dir_.read(fmt::format("mnt/sub/{}", i)), "text");
  EXPECT_LE(requests() - before, 2 * kFiles + kOnce);

  before = requests();
  for (int i = 0; i < kFiles; ++i) {
    const Fd file = *sys::open(dir_ / fmt::format("mnt/sub/new{}", i), O_WRONLY | O_CREAT | O_EXCL, 0644);
    ASSERT_TRUE(sys::write_full(file.ref(), "text"));
  }
  EXPECT_LE(requests() - before, 5 * kFiles + kOnce);

  before = requests();
  for (int i = 0; i < kFiles; ++i) EXPECT_EQ(dir_.read(fmt::format("mnt/sub/{}", i)), "text");
  EXPECT_LE(requests() - before, kOnce);  // all of it is in the kernel's cache
}

TEST_F(LiveMountTest, LeavesNoSocketAndAnswersNobodyWhenItIsGone) {
  {
    auto mount = Mount::start(request());
    ASSERT_TRUE(mount) << mount.error().message();
    EXPECT_EQ(sockets().size(), 1U);
  }
  EXPECT_EQ(sockets().size(), 0U);
  EXPECT_THAT(asked("stat json"), HasSubstr("no fuse-overlay of yours serves it"));
}

TEST_F(LiveMountTest, ALowerChangedBehindItsBackShowsAfterARefresh) {
  dir_.write("lower/sub/kept", "before");
  dir_.write("lower/sub/gone", "x");
  ASSERT_EQ(::symlink("old", (dir_ / "lower/link").c_str()), 0);
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();
  // Everything is in the kernel's caches: entries, an absence, attributes, pages, a symlink, a listing.
  ASSERT_EQ(dir_.read("mnt/sub/kept"), "before");
  ASSERT_TRUE(dir_.exists("mnt/sub/gone"));
  ASSERT_FALSE(dir_.exists("mnt/sub/new"));
  ASSERT_EQ(*sys::readlink(FileAt{kWorkingDir, (dir_ / "mnt/link").c_str()}), "old");
  ASSERT_EQ(run({"ls", dir_ / "mnt/sub"}).out, "gone\nkept\n");
  const auto open = sys::open(dir_ / "mnt/sub/kept", O_RDONLY);

  dir_.write("lower/sub/kept", "after, and longer than it was");
  ASSERT_EQ(::unlink((dir_ / "lower/sub/gone").c_str()), 0);
  dir_.write("lower/sub/new", "y");
  ASSERT_EQ(::unlink((dir_ / "lower/link").c_str()), 0);
  ASSERT_EQ(::symlink("changed", (dir_ / "lower/link").c_str()), 0);
  ASSERT_EQ(asked("refresh"), "");

  EXPECT_EQ(dir_.read("mnt/sub/kept"), "after, and longer than it was");
  EXPECT_FALSE(dir_.exists("mnt/sub/gone"));
  EXPECT_EQ(dir_.read("mnt/sub/new"), "y");
  EXPECT_EQ(*sys::readlink(FileAt{kWorkingDir, (dir_ / "mnt/link").c_str()}), "changed");
  EXPECT_EQ(run({"ls", dir_ / "mnt/sub"}).out, "kept\nnew\n");
  EXPECT_EQ(*sys::read_all(open->ref(), 1 << 20), "after, and longer than it was");
}

TEST_F(LiveMountTest, OnePathCanBeRefreshedAlone) {
  dir_.write("lower/sub/f", "before");
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();
  ASSERT_EQ(dir_.read("mnt/sub/f"), "before");

  dir_.write("lower/sub/f", "after it was changed");
  ASSERT_EQ(asked("refresh /sub//f"), "");

  EXPECT_EQ(dir_.read("mnt/sub/f"), "after it was changed");
}

TEST_F(LiveMountTest, ALayerIsAddedUnderWhatRuns) {
  dir_.write("more/f", "from the added one");
  dir_.write("more/only", "there");
  dir_.write("least/f", "hidden");
  dir_.write("least/last", "bottom");
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();
  ASSERT_EQ(dir_.read("mnt/f"), "from below");
  dir_.write("mnt/mine", "written");

  ASSERT_EQ(asked("add-top " + (dir_ / "more")), "");
  ASSERT_EQ(asked("add-bottom " + (dir_ / "least")), "");

  EXPECT_EQ(dir_.read("mnt/f"), "from the added one");
  EXPECT_EQ(dir_.read("mnt/only"), "there");
  EXPECT_EQ(dir_.read("mnt/last"), "bottom");
  EXPECT_EQ(dir_.read("mnt/mine"), "written");
  EXPECT_THAT(asked("stat json"), HasSubstr("\"layers\": 3"));
}

TEST_F(LiveMountTest, ALayerThatCannotBeAddedChangesNothing) {
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();

  EXPECT_THAT(asked("add-top " + (dir_ / "nowhere")), HasSubstr("nowhere"));
  EXPECT_THAT(asked("add-top " + (dir_ / "upper")), HasSubstr("the same directory"));
  EXPECT_THAT(asked("add-top " + (dir_ / "mnt")), HasSubstr("is the mount itself"));
  EXPECT_THAT(asked("add-top"), HasSubstr("needs a layer"));

  EXPECT_EQ(dir_.read("mnt/f"), "from below");
  EXPECT_THAT(asked("stat json"), HasSubstr("\"layers\": 1"));
}

TEST_F(LiveMountTest, AReadOnlyMountIsRefreshedToo) {
  MountRequest asked_for = request();
  asked_for.upper.reset();
  asked_for.work.reset();
  auto mount = Mount::start(asked_for);
  ASSERT_TRUE(mount) << mount.error().message();
  for (int i = 0; i < 3; ++i) ASSERT_EQ(dir_.read("mnt/f"), "from below");  // without OPEN by now

  dir_.write("lower/f", "changed behind its back");
  ASSERT_EQ(asked("refresh"), "");

  EXPECT_EQ(dir_.read("mnt/f"), "changed behind its back");
}

TEST_F(LiveMountTest, WhatAReadOnlyMountHasOpenStaysWhatItIs) {
  dir_.write("lower/open", "from below");
  dir_.write("more/open", "from the added one");
  MountRequest asked_for = request();
  asked_for.upper.reset();
  asked_for.work.reset();
  auto mount = Mount::start(asked_for);
  ASSERT_TRUE(mount) << mount.error().message();
  const auto open = sys::open(dir_ / "mnt/open", O_RDONLY);

  ASSERT_EQ(asked("add-top " + (dir_ / "more")), "");

  EXPECT_EQ(*sys::read_all(open->ref(), 100), "from below");
  EXPECT_EQ(dir_.read("mnt/open"), "from the added one");
}

// Programs of such a layer are fetched whole when they are opened, so that no page of a mapping is missing later.
TEST_F(LiveMountTest, ALayerThatIsNotAllHereIsAddedOnlyWhereFilesAreOpened) {
  NEED_TOOL("tar");
  if (!may_leave_open_out(kernel_release())) GTEST_SKIP() << "this kernel must be answered when it opens a file: " << kernel_release();
  // The tarball is far away, and nobody there to fetch it; its index is here.
  dir_.write("far/program", "text");
  ASSERT_TRUE(run({"tar", "-C", dir_ / "far", "-czf", dir_ / "far.tar.gz", "program"}).exit.ok());
  const std::string packed = dir_.read("far.tar.gz");
  const Digest blob = Digest::of(packed);
  const auto packed_bytes = std::as_bytes(std::span(packed));
  auto scan = scan_tar(memory_source({packed_bytes.begin(), packed_bytes.end()}));
  ASSERT_TRUE(scan) << scan.error().message();
  ::setenv("ACETATE_CACHE", (dir_ / "cache").c_str(), 1);
  ::setenv("ACETATE_FETCHER", (dir_ / "none").c_str(), 1);
  ASSERT_TRUE(IndexStore(default_index_dir()).keep(IndexImage::build(*std::move(scan))));
  dir_.mkdir("store/.acetate-lazy");
  ASSERT_TRUE(PartialBlob::make(dir_ / "store/.acetate-lazy", {.blob = blob, .size = packed.size()}));
  const LayerSpec far{.path = dir_ / ("store/blobs/sha256/" + blob.hex()), .digest = blob, .lazy = true};

  MountRequest read_only = request();
  read_only.upper.reset();
  read_only.work.reset();
  {
    auto mount = Mount::start(read_only);
    ASSERT_TRUE(mount) << mount.error().message();
    EXPECT_THAT(asked("add-top " + format_layer_spec(far)), HasSubstr("not all here yet"));
    EXPECT_FALSE(dir_.exists("mnt/program"));
    EXPECT_EQ(dir_.read("mnt/f"), "from below");
  }
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();
  EXPECT_EQ(asked("add-top " + format_layer_spec(far)), "");
  EXPECT_TRUE(dir_.exists("mnt/program"));
}

TEST_F(LiveMountTest, NobodyElseMayAsk) {
  NEED_ROOT();
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();
  // Even where he can reach it.
  const std::string path = dir_ / ("run/acetate/" + sockets().at(0));
  ::chmod((dir_ / "run/acetate").c_str(), 0755);
  ::chmod(path.c_str(), 0777);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  const Fd socket(Adopt{}, ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

  ASSERT_EQ(::seteuid(kSomebody), 0);
  const int connected = ::connect(socket.ref().fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ASSERT_EQ(::seteuid(0), 0);

  ASSERT_EQ(connected, 0);
  // It may have hung up already.
  (void)sys::send_full(socket.ref(), "stat json\n");
  const auto said = sys::read_all(socket.ref(), 1 << 20);
  EXPECT_TRUE(!said || said->empty()) << *said;
}

}  // namespace
}  // namespace acetate::fs
