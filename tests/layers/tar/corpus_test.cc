// Tarballs of real trees by GNU tar and bsdtar, against what is on disk.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <filesystem>

#include "base/bytes.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "base/sys/xattr.h"
#include "layers/dir_layer.h"
#include "layers/stack.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tree.h"
#include "tests/support/temp_dir.h"

namespace acetate::test {
namespace {

void run(const std::vector<std::string>& argv) {
  const auto done = sys::run_captured({.argv = argv});
  ASSERT_TRUE(done) << words(done);
  ASSERT_TRUE(done->exit.ok()) << argv[0] << " " << done->exit.describe() << ": " << done->err;
}

bool is_there(const char* program) { return sys::find_program(program).has_value(); }

// A small tree with something of everything that needs no privilege.
void make_tree(const TempDir& dir) {
  dir.write("t/plain", "text");
  dir.write("t/empty", "");
  dir.write("t/mode", "x", 04751);
  dir.write("t/big", std::string(300'000, 'b'));
  dir.mkdir("t/void", 01777);
  const FdRef cwd = kWorkingDir;
  ASSERT_TRUE(sys::symlink("../plain", {cwd, (dir / "t/void/link").c_str()}));
  ASSERT_TRUE(sys::symlink(std::string(180, 'l').c_str(), {cwd, (dir / "t/longlink").c_str()}));
  ASSERT_TRUE(sys::link(FileAt{cwd, (dir / "t/plain").c_str()}, FileAt{cwd, (dir / "t/zz-hard").c_str()}));
  ASSERT_TRUE(sys::link(FileAt{cwd, (dir / "t/plain").c_str()}, FileAt{cwd, (dir / "t/aa-hard").c_str()}));
  ASSERT_TRUE(sys::mknod({cwd, (dir / "t/fifo").c_str()}, S_IFIFO | 0600, 0));
}

// What only formats with room for it can hold.
void make_hard_parts(const TempDir& dir) {
  dir.write("t/" + std::string(120, 'n') + "/" + std::string(200, 'm'), "long");
  dir.write("t/\xff\xfe invalid", "raw");
  dir.write("t/e\xcc\x81", "decomposed");
}

void age(const std::string& path, std::int64_t seconds, long nanoseconds) {
  const timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
  ASSERT_TRUE(sys::set_times({kWorkingDir, path.c_str()}, times));
}

std::string packed(const TempDir& dir, const std::vector<std::string>& how) {
  std::vector<std::string> argv = how;
  argv.insert(argv.end(), {"-cf", dir / "out.tar", "-C", dir / "t", "."});
  run(argv);
  return dir.read("out.tar");
}

std::string on_disk(const TempDir& dir, const std::string& where) {
  auto root = sys::open(dir / where, O_PATH | O_DIRECTORY);
  return listing_of(**open_dir_layer(*std::move(root)));
}

class Formats : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(Formats, GiveTheTreeThatWasPacked) {
  if (!is_there(GetParam()[0].c_str())) GTEST_SKIP() << GetParam()[0] << " is not installed";
  const std::string format = GetParam()[1];
  const TempDir dir;
  make_tree(dir);
  // v7 has no fifos and old formats no more than whole seconds and 100 bytes.
  const bool modern = format == "--format=pax" || format == "--format=gnu" || format == "--format=posix";
  if (modern) make_hard_parts(dir);
  if (format == "--format=v7") {
    std::filesystem::remove(dir / "t/fifo");
    std::filesystem::remove(dir / "t/longlink");
  }
  if (format == "--format=ustar") std::filesystem::remove(dir / "t/longlink");
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir / "t")) paths.push_back(entry.path());
  for (const std::string& path : paths) age(path, 1'600'000'000, format == "--format=pax" ? 123'456'789 : 0);
  // bsdtar writes that one as "-2.5", which POSIX reads as a second earlier.
  if (GetParam()[0] == "tar" && format == "--format=pax") age(dir / "t/plain", -2, 500'000'000);
  if (format == "--format=gnu") age(dir / "t/plain", -86400, 0);

  const std::string tar = packed(dir, GetParam());

  EXPECT_EQ(listing_of(*made(tar)), on_disk(dir, "t"));
}

INSTANTIATE_TEST_SUITE_P(Corpus, Formats,
                         ::testing::Values(std::vector<std::string>{"tar", "--format=pax"},
                                           std::vector<std::string>{"tar", "--format=gnu"},
                                           std::vector<std::string>{"tar", "--format=ustar"},
                                           std::vector<std::string>{"tar", "--format=v7"},
                                           std::vector<std::string>{"bsdtar", "--format=pax"},
                                           std::vector<std::string>{"bsdtar", "--format=ustar"}),
                         [](const auto& parameter) {
                           return parameter.param[0] + "_" + parameter.param[1].substr(9);
                         });

class Sparse : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(Sparse, FilesKeepTheirHolesAndBytes) {
  const TempDir dir;
  dir.mkdir("t");
  // Data at both ends, in the middle, a hole at the end, a file of one hole, many pieces.
  const auto make = [&](const char* name, std::uint64_t size, const std::vector<std::uint64_t>& data) {
    const Fd file = *sys::open(dir / ("t/" + std::string(name)), O_RDWR | O_CREAT, 0644);
    ASSERT_TRUE(sys::truncate(file.ref(), size));
    for (const std::uint64_t at : data)
      ASSERT_TRUE(sys::pwrite_full(file.ref(), as_bytes(fmt::format("data at {}", at)), at));
  };
  make("ends", 1 << 20, {0, (1 << 20) - 20});
  make("middle", 3 << 20, {1'000'000, 2'000'000});
  make("hole", 1 << 22, {});
  make("odd", 1'000'003, {500'000, 999'980});
  std::vector<std::uint64_t> many;
  for (std::uint64_t i = 0; i < 60; ++i) many.push_back(i * 131072 + 7);
  make("many", 8 << 20, many);
  for (const char* name : {"ends", "middle", "hole", "odd", "many"}) age(dir / ("t/" + std::string(name)), 1, 0);
  age(dir / "t", 1, 0);

  const auto layer = made(packed(dir, GetParam()));

  EXPECT_EQ(listing_of(*layer), on_disk(dir, "t"));
  for (const char* name : {"ends", "middle", "hole", "odd", "many"}) {
    const auto entry = *layer->lookup(layer->root(), name);
    const auto view = *layer->open(entry.node);
    std::uint64_t at = 0, holes = 0;
    while (at < view->size()) {
      const Segment segment = view->segment(at);
      ASSERT_EQ(segment.offset, at);
      ASSERT_GT(segment.length, 0U);
      if (segment.hole) holes += segment.length;
      at += segment.length;
    }
    EXPECT_EQ(at, view->size());
    EXPECT_LT(entry.attr.blocks * 512, view->size()) << name;
    EXPECT_GT(holes, 0U) << name;
    std::byte byte{};
    EXPECT_EQ(*view->pread({&byte, 1}, view->size()), 0U);
    EXPECT_EQ(*view->pread({&byte, 1}, view->size() - 1), 1U);
  }
}

INSTANTIATE_TEST_SUITE_P(Corpus, Sparse,
                         ::testing::Values(std::vector<std::string>{"tar", "-S", "--format=gnu"},
                                           std::vector<std::string>{"tar", "-S", "--format=pax", "--sparse-version=0.0"},
                                           std::vector<std::string>{"tar", "-S", "--format=pax", "--sparse-version=0.1"},
                                           std::vector<std::string>{"tar", "-S", "--format=pax", "--sparse-version=1.0"}));

TEST(Corpus, ExtendedAttributesComeThroughEveryTar) {
  const TempDir dir;
  dir.write("t/f", "text");
  const Fd file = *sys::open(dir / "t/f", O_RDWR);
  const std::string value("v\0\n=", 4);
  if (auto set = sys::set_xattr(file.ref(), "user.a=b", value); !set)
    GTEST_SKIP() << "no user xattrs here: " << words(set);

  for (const std::vector<std::string>& how : {std::vector<std::string>{"tar", "--xattrs", "--format=pax"},
                                              std::vector<std::string>{"bsdtar", "--xattrs", "--format=pax"}}) {
    if (!is_there(how[0].c_str())) continue;
    const auto layer = made(packed(dir, how));
    const auto entry = layer->lookup(layer->root(), "f");
    ASSERT_TRUE(entry);
    const auto found = layer->xattr(entry->node, "user.a=b");
    EXPECT_EQ(found ? *found : words(found), value) << how[0];
  }
}

class RealTree : public ::testing::TestWithParam<const char*> {};

TEST_P(RealTree, EqualsItsExtractionPackedOrNot) {
  if (!std::filesystem::is_directory(GetParam())) GTEST_SKIP() << GetParam() << " is not here";
  const TempDir dir;
  // 1: a file changed while it was read, as some do on a machine that is in use. It is the archive that is compared.
  const auto packed = sys::run_captured({.argv = {"tar", "--format=pax", "-cf", dir / "real.tar", "--ignore-failed-read", "--warning=none", "-C", GetParam(), "."}});
  ASSERT_TRUE(packed) << words(packed);
  ASSERT_LE(packed->exit.shell_code(), 1) << packed->exit.describe() << ": " << packed->err;
  dir.mkdir("x");
  run({"tar", "-xpf", dir / "real.tar", "-C", dir / "x"});
  const std::string tar = dir.read("real.tar");
  const std::string expected = on_disk(dir, "x");
  ASSERT_GT(std::ranges::count(expected, '\n'), 10);

  EXPECT_EQ(listing_of(*made(tar)), expected);
  EXPECT_EQ(listing_of(*made(as_text(gzip_of(as_bytes(tar))))), expected);
  EXPECT_EQ(listing_of(*made(as_text(zstd_of(as_bytes(tar), 100'000)))), expected);
}

INSTANTIATE_TEST_SUITE_P(Corpus, RealTree, ::testing::Values("/etc", "/usr/share/zoneinfo"),
                         [](const auto& parameter) { return std::string(parameter.param).substr(1, 3); });

}  // namespace
}  // namespace acetate::test
