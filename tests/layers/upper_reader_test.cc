#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "layers/delta.h"
#include "layers/dir_layer.h"
#include "layers/memory_layer.h"
#include "tests/support/counting.h"
#include "tests/support/temp_dir.h"

namespace acetate {
namespace {

using test::TempDir;

std::string line_of(const DeltaOp& op, const FileView* content) {
  const char* const kinds[] = {"replace", "mkdir", "metadata", "implicit", "opaque", "remove", "link"};
  std::string line = fmt::format("{} /{}", kinds[static_cast<int>(op.kind)], op.path.str());
  if (op.kind == DeltaOp::Kind::hardlink) line += " = /" + op.link_to.str();
  if (!op.target.empty()) line += " -> " + op.target;
  if (content != nullptr) {
    std::string text(content->size(), '\0');
    text.resize(*content->pread(std::as_writable_bytes(std::span(text)), 0));
    line += " '" + text + "'";
  }
  for (const Xattr& xattr : op.xattrs) line += fmt::format(" {}={}", xattr.name, xattr.value);
  return line;
}

using Lines = std::vector<std::string>;
template <class Upper>  // a LayerPtr, or an Fd
Lines delta_of(Upper upper, const Layer* lower) {
  Lines lines;
  auto done =
      read_upper(std::move(upper), lower, [&](const DeltaOp& op, const FileView* content) -> Result<void> {
        EXPECT_EQ(content != nullptr, op.kind == DeltaOp::Kind::replace && op.attr.is_regular());
        lines.push_back(line_of(op, content));
        return {};
      });
  EXPECT_TRUE(done) << done.error().message();
  return lines;
}
Lines delta_of(const TempDir& upper, const Layer* lower) {
  return delta_of(upper.open(), lower);
}

bool set_xattr(const TempDir& dir, std::string_view name, const char* xattr, std::string_view value) {
  const Fd fd = *sys::open(dir / name, O_PATH | O_NOFOLLOW);
  return sys::set_xattr(fd.ref(), xattr, value).has_value();
}
#define SET_XATTR_OR_SKIP(...) \
  if (!set_xattr(__VA_ARGS__)) GTEST_SKIP() << "this attribute may not be set here"

// As the temporary directory of a test is: so that its root is no change.
MemoryEntry root_like(const TempDir& dir) {
  MemoryEntry root = memory_dir("");
  const struct stat st = *sys::stat_following(dir.path());
  root.attr.mode = st.st_mode;
  root.attr.uid = st.st_uid;
  root.attr.gid = st.st_gid;
  return root;
}
MemoryEntry mine(MemoryEntry entry) {
  entry.attr.uid = ::getuid();
  entry.attr.gid = ::getgid();
  return entry;
}
LayerPtr lower_of(const TempDir& upper, std::vector<MemoryEntry> entries) {
  for (MemoryEntry& entry : entries) entry = mine(std::move(entry));
  entries.insert(entries.begin(), root_like(upper));
  return *make_memory_layer(std::move(entries));
}

TEST(ReadUpper, TellsWhatWasMadeParentsFirstInByteOrder) {
  TempDir upper;
  upper.write("b/z", "1");
  upper.write("b/a", "2");
  upper.write("a.txt", "3");
  ASSERT_EQ(::symlink("b/a", (upper / "s").c_str()), 0);
  ASSERT_EQ(::mkfifo((upper / "p").c_str(), 0600), 0);

  EXPECT_EQ(delta_of(upper, nullptr), (Lines{"mkdir /", "replace /a.txt '3'", "mkdir /b", "replace /b/a '2'",
                                             "replace /b/z '1'", "replace /p", "replace /s -> b/a"}));
}

TEST(ReadUpper, TellsDirectoriesThatOnlyHoldFromThoseThatChanged) {
  TempDir upper;
  upper.write("etc/new", "x");
  upper.mkdir("opt", 0700);
  upper.mkdir("fresh");
  upper.mkdir("was-file");
  auto lower = lower_of(upper, {memory_dir("etc"), memory_file("etc/old", ""), memory_dir("opt", 0755),
                                memory_file("was-file", "")});

  EXPECT_EQ(delta_of(upper, lower.get()), (Lines{"implicit /", "implicit /etc", "replace /etc/new 'x'",
                                                 "mkdir /fresh", "metadata /opt", "mkdir /was-file"}));
}

TEST(ReadUpper, SeesAChangedAttributeOfADirectory) {
  TempDir upper;
  upper.mkdir("d");
  SET_XATTR_OR_SKIP(upper, "d", "user.mark", "1");
  SET_XATTR_OR_SKIP(upper, "d", "user.overlay.origin", "bookkeeping");
  auto lower = lower_of(upper, {memory_dir("d")});

  EXPECT_EQ(delta_of(upper, lower.get()), (Lines{"implicit /", "metadata /d user.mark=1"}));
}

class WhiteoutDialect : public ::testing::TestWithParam<const char*> {};

TEST_P(WhiteoutDialect, TellsRemovalsFirstAndOnlyOfWhatWasThere) {
  const std::string_view dialect = GetParam();
  TempDir upper;
  upper.write("d/new", "x");
  if (dialect == "xattr") SET_XATTR_OR_SKIP(upper, "d", "user.overlay.opaque", "x");
  for (const std::string name : {"zz", "never"}) {
    if (dialect == "file") {
      upper.write("d/.wh." + name, "");
    } else if (dialect == "device") {
      if (::mknod((upper / ("d/" + name)).c_str(), S_IFCHR, makedev(0, 0)) != 0)
        GTEST_SKIP() << "no device whiteouts";
    } else {
      upper.write("d/" + name, "");
      SET_XATTR_OR_SKIP(upper, "d/" + name, "user.overlay.whiteout", "");
    }
  }
  auto lower = lower_of(upper, {memory_dir("d"), memory_file("d/zz/deep", ""), memory_file("d/stays", "")});

  EXPECT_EQ(delta_of(upper, lower.get()),
            (Lines{"implicit /", "implicit /d", "remove /d/zz", "replace /d/new 'x'"}));
  EXPECT_EQ(delta_of(upper, nullptr),
            (Lines{"mkdir /", "mkdir /d", "remove /d/never", "remove /d/zz", "replace /d/new 'x'"}));
}

INSTANTIATE_TEST_SUITE_P(ReadUpper, WhiteoutDialect, ::testing::Values("file", "device", "xattr"),
                         [](const auto& parameter) { return std::string(parameter.param); });

class OpaqueDialect : public ::testing::TestWithParam<const char*> {};

TEST_P(OpaqueDialect, TellsThatADirectoryStartsAfresh) {
  const std::string_view dialect = GetParam();
  TempDir upper;
  upper.write("d/sub/new", "x");
  upper.write("e/new", "x");
  for (const char* dir : {"d", "e"}) {
    if (dialect == "file") {
      upper.write(fmt::format("{}/.wh..wh..opq", dir), "");
    } else if (dialect == "beside") {
      upper.write(fmt::format(".wh.{}", dir), "");
    } else {
      SET_XATTR_OR_SKIP(upper, dir, dialect.data(), "y");
    }
  }
  auto lower = lower_of(upper, {memory_file("d/sub/old", "")});

  EXPECT_EQ(delta_of(upper, lower.get()),
            (Lines{"implicit /", "opaque /d", "mkdir /d/sub", "replace /d/sub/new 'x'", "mkdir /e",
                   "replace /e/new 'x'"}));
}

INSTANTIATE_TEST_SUITE_P(ReadUpper, OpaqueDialect,
                         ::testing::Values("file", "beside", "trusted.overlay.opaque", "user.overlay.opaque",
                                           "user.fuseoverlayfs.opaque"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::erase(name, '.');
                           return name;
                         });

TEST(ReadUpper, TellsTheOtherNamesOfAFile) {
  TempDir upper;
  upper.write("b/first", "x");
  ASSERT_EQ(::link((upper / "b/first").c_str(), (upper / "b/second").c_str()), 0);
  ASSERT_EQ(::link((upper / "b/first").c_str(), (upper / "c").c_str()), 0);

  EXPECT_EQ(delta_of(upper, nullptr), (Lines{"mkdir /", "mkdir /b", "replace /b/first 'x'",
                                             "link /b/second = /b/first", "link /c = /b/first"}));
}

TEST(ReadUpper, ReadsOverrideStatInsteadOfWhatIsStored) {
  TempDir upper;
  upper.write("f", "x", 0644);
  SET_XATTR_OR_SKIP(upper, "", "user.containers.override_stat", "0:0:755:dir");
  ASSERT_TRUE(set_xattr(upper, "f", "user.containers.override_stat", "5:6:4711:file"));

  Attr seen;
  ASSERT_TRUE(read_upper(upper.open(), nullptr, [&](const DeltaOp& op, const FileView*) -> Result<void> {
    if (op.path.str() == "f") seen = op.attr;
    EXPECT_TRUE(op.xattrs.empty());
    return {};
  }));
  EXPECT_EQ(seen.mode, mode_t{S_IFREG | 04711});
  EXPECT_EQ(seen.gid, 6U);
}

TEST(ReadUpper, ExpandsWhatTheKernelRedirected) {
  TempDir upper;
  upper.write("new/added", "a");
  upper.write("meta", "", 0600);
  ASSERT_EQ(::truncate((upper / "meta").c_str(), 5), 0);
  upper.write(".wh.old", "");
  SET_XATTR_OR_SKIP(upper, "", "trusted.overlay.impure", "y");
  SET_XATTR_OR_SKIP(upper, "new", "trusted.overlay.redirect", "old");
  SET_XATTR_OR_SKIP(upper, "meta", "trusted.overlay.metacopy", "");
  auto lower = lower_of(upper, {memory_file("old/was/f", "moved"), memory_file("meta", "bytes"),
                                memory_file("new/hidden", "")});

  EXPECT_EQ(delta_of(upper, lower.get()),
            (Lines{"implicit /", "remove /old", "replace /meta 'bytes'", "opaque /new",
                   "replace /new/added 'a'", "mkdir /new/was", "replace /new/was/f 'moved'"}));
}

// Of an overlay without root they are its own; in one of root's (the kernel's) anybody inside may set them.
TEST(ReadUpper, BelievesRedirectsInUserAttributesWhereTheUpperWasBegunSo) {
  const auto lines = [](bool by_root) -> std::optional<Lines> {
    TempDir upper;
    upper.write("new/added", "a");
    bool set = set_xattr(upper, "", "user.overlay.impure", "y") && set_xattr(upper, "new", "user.overlay.redirect", "old");
    if (by_root) set &= set_xattr(upper, "", "trusted.overlay.impure", "y");
    if (!set) return std::nullopt;
    return delta_of(upper, lower_of(upper, {memory_file("old/f", "lower's")}).get());
  };
  const auto own = lines(false), roots = lines(true);
  if (!own) GTEST_SKIP() << "no attributes here";
  EXPECT_EQ(*own, (Lines{"implicit /", "mkdir /new", "replace /new/added 'a'", "replace /new/f 'lower's'"}));
  if (roots) {
    EXPECT_EQ(*roots, (Lines{"implicit /", "mkdir /new", "replace /new/added 'a'"}));
  }
}

TEST(ReadUpper, ReadsAnyLayerAndResolvesItsLinksIntoTheLower) {
  MemoryEntry link = memory_file("l", "kept");
  link.marker = Marker::link_to;
  auto upper = *make_memory_layer({link, memory_whiteout("gone"), memory_file("new", "n")});
  auto lower = *make_memory_layer({memory_file("kept", "bytes"), memory_file("gone", "")});

  EXPECT_EQ(delta_of(upper, lower.get()),
            (Lines{"implicit /", "remove /gone", "replace /l 'bytes'", "replace /new 'n'"}));
}

TEST(ReadUpper, WithoutContentTellsTheSameAndOpensNoFile) {
  TempDir upper;
  upper.write("d/a", "1");
  upper.write("d/b", "2");
  ASSERT_EQ(::link((upper / "d/b").c_str(), (upper / "d/c").c_str()), 0);
  ASSERT_EQ(::symlink("b", (upper / "d/s").c_str()), 0);
  upper.mkdir("e");
  auto lower = lower_of(upper, {memory_dir("e")});
  const auto walk = [&](DeltaDepth depth, Lines& lines) {
    const test::Counting counting;
    auto done = read_upper(
        upper.open(), lower.get(),
        [&](const DeltaOp& op, const FileView* content) -> Result<void> {
          EXPECT_TRUE(depth == DeltaDepth::whole || content == nullptr);
          DeltaOp bare = op;
          bare.target.clear();
          lines.push_back(line_of(bare, nullptr));
          return {};
        },
        depth);
    EXPECT_TRUE(done) << done.error().message();
    return counting.count();
  };
  Lines whole, bare;
  const int with = walk(DeltaDepth::whole, whole), without = walk(DeltaDepth::without_content, bare);

  EXPECT_EQ(bare, whole);
  EXPECT_EQ(bare.size(), 7U);
  // Of a and b listxattr, openat, fstat; of s listxattr and readlink.
  EXPECT_LE(without + 8, with);
}

TEST(ReadUpper, RefusesFilesThatCouldOnlyBeMarksWhereThereAreNone) {
  for (const std::string name : {".wh.bin", ".wh..wh..opq", ".wh..wh.aufs"}) {
    const TempDir upper;
    upper.mkdir("d");
    upper.write("d/" + name, "a file");

    const auto read = read_upper(upper.open(), nullptr, [](const DeltaOp&, const FileView*) { return Result<void>(); }, DeltaDepth::without_content, WhiteoutFiles::refused);

    ASSERT_FALSE(read) << name;
    EXPECT_TRUE(read.error().is(EINVAL));
    EXPECT_NE(read.error().message().find("cannot hold a file called " + name), std::string::npos) << read.error().message();
  }
}

TEST(ReadUpper, StopsWithWhatTheSinkSays) {
  TempDir upper;
  upper.write("a", "");
  upper.write("b", "");
  int seen = 0;

  auto done = read_upper(upper.open(), nullptr, [&](const DeltaOp&, const FileView*) -> Result<void> {
    if (++seen == 2) return Error(ENOSPC);
    return {};
  });

  EXPECT_TRUE(done.error().is(ENOSPC));
  EXPECT_EQ(seen, 2);
}

TEST(ReadUpper, WalksTreesDeeperThanAnyPathMayBe) {
  TempDir upper;
  Fd at = upper.open();
  for (int i = 0; i < 2500; ++i) {
    ASSERT_TRUE(sys::mkdir({at.ref(), "d"}, 0755));
    at = *sys::open({at.ref(), "d"}, O_PATH | O_DIRECTORY);
  }
  int seen = 0;

  ASSERT_TRUE(read_upper(upper.open(), nullptr, [&](const DeltaOp&, const FileView*) -> Result<void> {
    ++seen;
    return {};
  }));

  EXPECT_EQ(seen, 2501);
}

}  // namespace
}  // namespace acetate
