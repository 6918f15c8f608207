#include "layers/tar/layer_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <clocale>

#include "base/bytes.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "base/sys/xattr.h"
#include "layers/dir_layer.h"
#include "layers/memory_layer.h"
#include "layers/stack.h"
#include "layers/tar/open_tar.h"
#include "tests/layers/tree.h"
#include "tests/support/temp_dir.h"

namespace acetate {
namespace {

using test::TempDir;
using test::text_of;
using test::Tree;
using test::tree_of;

LayerPtr memory(std::vector<MemoryEntry> entries) { return *make_memory_layer(std::move(entries)); }

// What `upper` does to `lower`, as a tarball.
std::string tarball_of(LayerPtr upper, const Layer* lower, LayerWriterOptions options = {}) {
  std::string bytes;
  LayerWriter writer(
      [&](std::span<const std::byte> some) -> Result<void> {
        bytes.append(as_text(some));
        return {};
      },
      options);
  auto read = read_upper(std::move(upper), lower,
                         [&](const DeltaOp& op, const FileView* content) { return writer.add(op, content); });
  EXPECT_TRUE(read) << read.error().message();
  auto finished = writer.finish();
  EXPECT_TRUE(finished) << finished.error().message();
  return bytes;
}

// A tarball as a layer, read by our own reader.
class Read {
 public:
  explicit Read(std::string_view bytes) {
    dir_.write("layer.tar", bytes);
    auto opened = open_tar({.file = *sys::open(dir_ / "layer.tar", O_RDONLY)}, IndexStore(dir_ / "index"),
                           IdentityCache(dir_ / "index"));
    EXPECT_TRUE(opened) << opened.error().message();
    layer_ = opened->layer;
  }
  const LayerPtr& layer() const { return layer_; }
  std::string path() const { return dir_ / "layer.tar"; }
  Attr attr(std::string_view path) const { return walk(*layer_, *RelPath::parse(path))->attr; }

 private:
  TempDir dir_;
  LayerPtr layer_;
};

MemoryEntry at_time(MemoryEntry entry, time_t seconds, long nanoseconds = 0) {
  entry.attr.mtime = {.tv_sec = seconds, .tv_nsec = nanoseconds};
  return entry;
}
MemoryEntry node(std::string path, mode_t mode, dev_t rdev) {
  MemoryEntry entry{.path = std::move(path)};
  entry.attr.mode = mode;
  entry.attr.rdev = rdev;
  return entry;
}

std::vector<MemoryEntry> one_of_everything() {
  MemoryEntry link{.path = "dir/link"};
  link.hardlink_to = "dir/file";
  MemoryEntry owned = memory_file("owned", "x", 04755);
  owned.attr.uid = 3000000;
  owned.attr.gid = 5;
  owned.xattrs = {{"user.b", "2"}, {"security.capability", std::string("\0\1\n=", 4)}, {"user.a", ""}};
  MemoryEntry opaque = memory_dir("fresh", 01777);
  opaque.marker = Marker::opaque;
  return {memory_file("dir/file", "text"),
          link,
          owned,
          opaque,
          memory_file("fresh/f", std::string(700000, 'z')),
          memory_symlink("sym", "a/target"),
          memory_symlink("long", std::string(300, 't')),
          node("null", S_IFCHR | 0666, makedev(1, 3)),
          node("disk", S_IFBLK | 0660, makedev(259, 70000)),
          node("pipe", S_IFIFO | 0600, 0),
          memory_file(std::string(90, 'd') + "/" + std::string(120, 'n'), "deep"),
          memory_file("d\xc3\xa4sh", "utf-8"),
          memory_file("bytes\xff\xfe", "raw"),
          memory_file("empty", ""),
          memory_whiteout("gone")};
}

LayerPtr lower_of_everything() {
  return memory({memory_file("gone", ""), memory_file("fresh/old", ""), memory_file("dir/kept", ""),
                 memory_file("sym/was-dir", "")});
}

TEST(LayerWriter, WritesALayerThatDoesWhatTheDeltaDoes) {
  auto upper = memory(one_of_everything());
  auto lower = lower_of_everything();

  const Read read(tarball_of(upper, lower.get()));

  EXPECT_EQ(tree_of(**make_stack({read.layer(), lower})), tree_of(**make_stack({upper, lower})));
  EXPECT_EQ(read.attr("owned").mode, mode_t{S_IFREG | 04755});
  EXPECT_EQ(read.attr("owned").uid, 3000000U);
  EXPECT_EQ(read.attr("fresh").mode, mode_t{S_IFDIR | 01777});
  EXPECT_EQ(read.attr("dir/link").ino, read.attr("dir/file").ino);
  EXPECT_EQ(read.attr("dir/link").nlink, 2U);
  const Node owned = walk(*read.layer(), *RelPath::parse("owned"))->node;
  EXPECT_EQ(*read.layer()->xattr(owned, "security.capability"), std::string("\0\1\n=", 4));
  EXPECT_EQ(read.layer()->xattrs(owned)->size(), 3U);
}

TEST(LayerWriter, GivesTheSameBytesWhereverItRuns) {
  auto lower = lower_of_everything();
  const std::string first = tarball_of(memory(one_of_everything()), lower.get());

  const std::string before = std::setlocale(LC_ALL, nullptr);
  const mode_t mask = ::umask(0);
  ::setenv("TZ", "Asia/Tokyo", 1);
  for (const char* locale : {"C.UTF-8", "POSIX"}) {
    std::setlocale(LC_ALL, locale);
    EXPECT_EQ(tarball_of(memory(one_of_everything()), lower.get()), first) << locale;
  }
  std::setlocale(LC_ALL, before.c_str());
  ::umask(mask);
  ::unsetenv("TZ");

  auto shuffled = one_of_everything();
  std::swap(shuffled[2].xattrs[0], shuffled[2].xattrs[1]);
  std::swap(shuffled[6], shuffled[9]);
  EXPECT_EQ(tarball_of(memory(shuffled), lower.get()), first) << "the order things were made in shows";
}

TEST(LayerWriter, SaysNothingOfWhoMadeIt) {
  const std::string bytes = tarball_of(memory(one_of_everything()), nullptr);

  for (const char* word :
       {"root", "atime=", "ctime=", "SCHILY.ino", "SCHILY.dev", "LIBARCHIVE", "uname", "gname"})
    EXPECT_EQ(bytes.find(word), std::string::npos) << word;
  EXPECT_NE(bytes.find("hdrcharset=BINARY"), std::string::npos) << "a name that is no UTF-8";
  EXPECT_EQ(bytes.find("hdrcharset", bytes.find("hdrcharset") + 1), std::string::npos) << "and only that one";
}

TEST(LayerWriter, KeepsNanosecondsAndTimesBeforeTheEpoch) {
  const Read read(tarball_of(
      memory({at_time(memory_file("plain", ""), 1700000000, 7), at_time(memory_file("old", ""), -86400),
              at_time(memory_dir("d"), 4102444800, 999999999)}),
      nullptr));

  EXPECT_EQ(read.attr("plain").mtime.tv_nsec, 7);
  EXPECT_EQ(read.attr("plain").mtime.tv_sec, 1700000000);
  EXPECT_EQ(read.attr("old").mtime.tv_sec, -86400);
  EXPECT_EQ(read.attr("d").mtime.tv_nsec, 999999999);
}

TEST(LayerWriter, ClampsTimesThatAreLater) {
  const Read read(
      tarball_of(memory({at_time(memory_file("early", ""), 99, 5), at_time(memory_file("late", ""), 100, 1)}),
                 nullptr, {.clamp_mtime = timespec{100, 0}}));

  EXPECT_EQ(read.attr("early").mtime.tv_sec, 99);
  EXPECT_EQ(read.attr("early").mtime.tv_nsec, 5);
  EXPECT_EQ(read.attr("late").mtime.tv_sec, 100);
  EXPECT_EQ(read.attr("late").mtime.tv_nsec, 0);
}

TEST(LayerWriter, WritesTheRootOnlyWhenItChanged) {
  auto lower = memory({memory_dir("", 0755)});

  EXPECT_EQ(tarball_of(memory({memory_dir("", 0755), memory_file("f", "")}), lower.get()).substr(0, 2),
            std::string("f\0", 2));
  EXPECT_EQ(tarball_of(memory({memory_dir("", 0700), memory_file("f", "")}), lower.get()).substr(0, 3),
            std::string("./\0", 3));
}

TEST(LayerWriter, IsReadByOtherTars) {
  auto lower = lower_of_everything();
  const Read read(tarball_of(memory(one_of_everything()), lower.get()));
  int tried = 0;
  for (const char* program : {"tar", "bsdtar"}) {
    if (!sys::find_program(program)) continue;
    ++tried;
    auto listed = sys::run_captured(
        {.argv = {program, "-tf", read.path()}, .env = {{"LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin"}}});
    ASSERT_TRUE(listed);
    EXPECT_TRUE(listed->exit.ok()) << program << ": " << listed->err;
    for (const char* line : {".wh.gone\n", "dir/\n", "dir/link\n", "fresh/.wh..wh..opq\n", "null\n"})
      EXPECT_NE(listed->out.find(line), std::string::npos) << program << " does not list " << line;
    auto text = sys::run_captured({.argv = {program, "-xOf", read.path(), "dir/file"}});
    EXPECT_EQ(text->out, "text") << program << text->err;
  }
  if (tried == 0) GTEST_SKIP() << "neither tar nor bsdtar is installed";
}

TEST(LayerWriter, CarriesADirectoryFromDiskWhole) {
  TempDir upper;
  upper.write("a/f", "text", 0640);
  ASSERT_EQ(::link((upper / "a/f").c_str(), (upper / "a/g").c_str()), 0);
  ASSERT_EQ(::symlink("f", (upper / "a/l").c_str()), 0);
  upper.write("big", std::string(1 << 20, 'b'));
  auto layer = *open_dir_layer(upper.open());

  const Read read(tarball_of(layer, nullptr));

  EXPECT_EQ(tree_of(*read.layer()), tree_of(*layer));
  const Attr there = walk(*layer, *RelPath::parse("a/f"))->attr, here = read.attr("a/f");
  EXPECT_EQ(here.mode, there.mode);
  EXPECT_EQ(here.uid, there.uid);
  EXPECT_EQ(here.mtime.tv_sec, there.mtime.tv_sec);
  EXPECT_EQ(here.mtime.tv_nsec, there.mtime.tv_nsec);
}

TEST(LayerWriter, LeavesSocketsOut) {
  EXPECT_EQ(
      tree_of(
          *Read(tarball_of(memory({node("s", S_IFSOCK | 0600, 0), memory_file("f", "")}), nullptr)).layer()),
      (Tree{{"f", "file "}}));
}

TEST(LayerWriter, RefusesWhatWouldNotBeALayer) {
  LayerWriter writer([](std::span<const std::byte>) { return Result<void>(); });
  DeltaOp orphan{
      .kind = DeltaOp::Kind::replace, .path = *RelPath::parse("d/f"), .attr = {.mode = S_IFREG | 0644}};
  EXPECT_TRUE(writer.add(orphan, nullptr).error().is(EINVAL));
  DeltaOp silent{
      .kind = DeltaOp::Kind::replace, .path = *RelPath::parse("f"), .attr = {.mode = S_IFREG | 0644}};
  EXPECT_TRUE(writer.add(silent, nullptr).error().is(EINVAL));
  DeltaOp odd{.kind = DeltaOp::Kind::mkdir, .path = *RelPath::parse("d"), .attr = {.mode = S_IFDIR | 0755}};
  odd.xattrs = {{"user.a=b", "x"}};
  EXPECT_TRUE(writer.add(odd, nullptr).error().is(ENOTSUP));
}

TEST(LayerWriter, SaysWhatItsReceiverSaidAndWritesNoMore) {
  int calls = 0;
  {
    LayerWriter writer([&](std::span<const std::byte>) -> Result<void> {
      ++calls;
      return fail(ENOSPC, "the disk is full");
    });
    const auto layer = memory({memory_file("f", std::string(1 << 20, 'x'))});
    const auto view = *layer->open(Node{1});
    const DeltaOp op{
        .kind = DeltaOp::Kind::replace, .path = *RelPath::parse("f"), .attr = {.mode = S_IFREG | 0644}};

    auto added = writer.add(op, view.get());

    EXPECT_TRUE(added.error().is(ENOSPC));
    EXPECT_EQ(added.error().message(), "the disk is full");
  }
  EXPECT_EQ(calls, 1);
}

// Says that it is longer than it is.
class Short final : public FileView {
 public:
  std::uint64_t size() const override { return 100; }
  Result<std::size_t> pread(std::span<std::byte>, std::uint64_t offset) const override {
    return offset == 0 ? 10 : 0;
  }
};

TEST(LayerWriter, NeverFillsUpAFileThatIsTooShort) {
  std::string bytes;
  {
    LayerWriter writer([&](std::span<const std::byte> some) -> Result<void> {
      bytes.append(as_text(some));
      return {};
    });
    const DeltaOp op{
        .kind = DeltaOp::Kind::replace, .path = *RelPath::parse("f"), .attr = {.mode = S_IFREG | 0644}};
    EXPECT_TRUE(writer.add(op, std::make_unique<Short>().get()).error().is(EIO));
  }
  EXPECT_EQ(bytes, "") << "a writer that is given up wrote an end";
}

}  // namespace
}  // namespace acetate
