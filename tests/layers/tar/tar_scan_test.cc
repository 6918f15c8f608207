// What each dialect of tar says of an entry, and what is said of damage.
#include "layers/tar/tar_scan.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <clocale>

#include "layers/stack.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tar/tar_maker.h"
#include "tests/layers/tree.h"

namespace acetate::test {
namespace {

Attr attr(const std::string& tar, std::string_view path) {
  auto layer = layer_of(tar);
  if (!layer) {
    ADD_FAILURE() << words(layer);
    return {};
  }
  auto entry = walk(**layer, *RelPath::parse(path));
  EXPECT_TRUE(entry) << path;
  return entry ? entry->attr : Attr{};
}

double seconds(const Attr& attr) {
  return static_cast<double>(attr.mtime.tv_sec) + static_cast<double>(attr.mtime.tv_nsec) / 1e9;
}

TEST(TarScan, KeepsNamesAsBytesInEveryLocale) {
  const std::string decomposed = "e\xcc\x81", invalid = "\xff\xfe\x80";
  TarMaker tar;
  tar.pax({{"path", "pax-" + decomposed}}).file("a", "1").pax({{"path", "pax-" + invalid}}).file("b", "2");
  tar.file("raw-" + decomposed, "3").file("raw-" + invalid, "4");
  tar.pax({{"linkpath", decomposed}}).symlink("s1", "x").pax({{"linkpath", invalid}}).symlink("s2", "x");
  tar.gnu_long('L', "long-" + invalid).file("x", "5");
  tar.pax({{"hdrcharset", "BINARY"}, {"path", "binary-" + invalid}}).file("y", "6");
  const Tree expected = {{"pax-" + decomposed, "file 1"}, {"pax-" + invalid, "file 2"}, {"raw-" + decomposed, "file 3"},
                         {"raw-" + invalid, "file 4"},    {"s1", "link " + decomposed}, {"s2", "link " + invalid},
                         {"long-" + invalid, "file 5"},   {"binary-" + invalid, "file 6"}};

  for (const char* locale : {"C", "C.UTF-8"}) {
    ASSERT_NE(std::setlocale(LC_ALL, locale), nullptr);
    const auto layer = layer_of(tar.end());
    std::setlocale(LC_ALL, "C");
    ASSERT_TRUE(layer) << words(layer);
    EXPECT_EQ(tree_of(**layer), expected) << locale;
  }
}

TEST(TarScan, ReadsTimesBefore1970AndNanoseconds) {
  TarMaker tar;
  tar.pax({{"mtime", "-1.5"}}).file("a", "").pax({{"mtime", "-0.25"}}).file("b", "");
  tar.pax({{"mtime", "1700000000.123456789"}}).file("c", "").pax({{"mtime", "5000000000"}}).file("d", "");
  tar.header({.name = "e", .mtime = -86400}).header({.name = "f", .mtime = std::int64_t{1} << 34});

  EXPECT_DOUBLE_EQ(seconds(attr(tar.end(), "a")), -1.5);
  EXPECT_DOUBLE_EQ(seconds(attr(tar.end(), "b")), -0.25);
  EXPECT_EQ(attr(tar.end(), "c").mtime.tv_nsec, 123456789);
  EXPECT_EQ(attr(tar.end(), "d").mtime.tv_sec, 5000000000);
  EXPECT_EQ(attr(tar.end(), "e").mtime.tv_sec, -86400);
  EXPECT_EQ(attr(tar.end(), "f").mtime.tv_sec, std::int64_t{1} << 34);
}

TEST(TarScan, ReadsOwnersThatNeedMoreThanOctal) {
  TarMaker tar;
  tar.header({.name = "a", .uid = 3'000'000, .gid = 4'294'967'294});
  tar.pax({{"uid", "4000000000"}, {"gid", "70000"}}).file("b", "");
  tar.header({.name = "ok"});

  EXPECT_EQ(attr(tar.end(), "a").uid, 3'000'000U);
  EXPECT_EQ(attr(tar.end(), "a").gid, 4'294'967'294U);
  EXPECT_EQ(attr(tar.end(), "b").uid, 4'000'000'000U);
  EXPECT_EQ(attr(tar.end(), "b").gid, 70000U);
  const auto refused = layer_of(TarMaker().header({.name = "x", .uid = std::uint64_t{1} << 33}).end());
  EXPECT_NE(words(refused).find("is no user or group id"), std::string::npos) << words(refused);
}

TEST(TarScan, AppliesGlobalHeadersToWhatFollows) {
  TarMaker tar;
  tar.file("before", "").pax({{"uid", "77"}, {"comment", "c0ffee"}}, 'g').pax({{"mtime", "9"}}, 'g').file("a", "");
  tar.pax({{"uid", "5"}}).pax({{"gid", "6"}}, 'g').file("own", "").pax({}, 'g').file("b", "");

  EXPECT_EQ(attr(tar.end(), "before").uid, 0U);
  EXPECT_EQ(attr(tar.end(), "a").uid, 77U);
  EXPECT_EQ(attr(tar.end(), "a").mtime.tv_sec, 9);
  EXPECT_EQ(attr(tar.end(), "own").uid, 5U);
  EXPECT_EQ(attr(tar.end(), "own").gid, 6U);
  EXPECT_EQ(attr(tar.end(), "b").uid, 77U);
}

TEST(TarScan, JoinsTwoExtendedHeadersAndTakesTheLastLongName) {
  TarMaker tar;
  tar.pax({{"uid", "77"}}).pax({{"gid", "78"}}).file("a", "");
  tar.gnu_long('L', "first").gnu_long('L', "second").file("x", "2").header({.name = "volume", .type = 'V'});
  tar.gnu_long('K', std::string(200, 't')).symlink("s", "short");

  EXPECT_EQ(attr(tar.end(), "a").uid, 77U);
  EXPECT_EQ(attr(tar.end(), "a").gid, 78U);
  EXPECT_EQ(tree_of(*made(tar.end())),
            (Tree{{"a", "file "}, {"second", "file 2"}, {"s", "link " + std::string(200, 't')}}));
}

TEST(TarScan, ReadsAttributesInEverySpelling) {
  const std::string binary("v\0\nv", 4);
  const auto layer = made(TarMaker()
                                   .pax({{"SCHILY.xattr.user.a", binary},
                                         {"LIBARCHIVE.xattr.user.b%3dc", "AAEC"},
                                         {"SCHILY.xattr.user." + std::string(150, 'n'), "long"},
                                         {"RHT.security.selinux", "ctx"}})
                                   .file("f", "")
                                   .end());
  const Node node = layer->lookup(layer->root(), "f")->node;

  EXPECT_EQ(*layer->xattr(node, "user.a"), binary);
  EXPECT_EQ(*layer->xattr(node, "user.b=c"), std::string("\0\1\2", 3));
  EXPECT_EQ(*layer->xattr(node, "user." + std::string(150, 'n')), "long");
  EXPECT_EQ(*layer->xattr(node, "security.selinux"), "ctx");
  EXPECT_TRUE(layer->xattr(node, "user.none").error().is(ENODATA));
  EXPECT_EQ(layer->xattrs(node)->size(), 4U);
}

TEST(TarScan, SkipsTheBodyOfAHardLinkWhereItHasOne) {
  TarMaker with_body;
  with_body.file("a", "text").pax({{"size", "5"}}).header({.name = "h", .type = '1', .link = "a", .size = 5});
  with_body.body("12345").file("b", "end");
  // Old tars say the size of the target and store nothing.
  TarMaker without;
  without.file("a", "text").header({.name = "h", .type = '1', .link = "a", .size = 5}).file("b", "end");

  const Tree expected = {{"a", "file text"}, {"h", "file text"}, {"b", "file end"}};
  EXPECT_EQ(tree_of(*made(with_body.end())), expected);
  EXPECT_EQ(tree_of(*made(without.end())), expected);
}

TEST(TarScan, ANameWithASlashAtItsEndIsADirectory) {
  EXPECT_EQ(tree_of(*made(TarMaker().file("d/", "").end())), (Tree{{"d", "dir"}}));
}

TEST(TarScan, EndsAtTheZeroBlocksAndHashesWhatFollows) {
  const std::string one = TarMaker().file("a", "1").end();
  const std::string both = one + TarMaker().file("b", "2").end() + "garbage";

  EXPECT_EQ(tree_of(*made(both)), (Tree{{"a", "file 1"}}));
  const auto scan = *scan_tar(source_of(both));
  EXPECT_EQ(scan.pass.diff_id, Digest::of(both));
  EXPECT_EQ(scan.pass.plain_size, both.size());
}

TEST(TarScan, NeedsNoZeroBlocksAndNoEntries) {
  EXPECT_EQ(tree_of(*made(TarMaker().file("a", "1").bytes())), (Tree{{"a", "file 1"}}));
  EXPECT_EQ(tree_of(*made(std::string(1024, '\0'))), Tree{});
  EXPECT_EQ(tree_of(*made("")), Tree{});
}

TEST(TarScan, SaysWhereATarIsCutOff) {
  const std::string tar = TarMaker().file("first", "1").file("second", std::string(3000, 'x')).bytes();
  int refused = 0;
  for (std::size_t size = 1; size < tar.size(); ++size) {
    const auto layer = layer_of(tar.substr(0, size));
    if (layer) {
      // Between two entries, or inside the last one's padding, nothing shows that more was to come.
      EXPECT_EQ(size, 1024U);
      continue;
    }
    ++refused;
    EXPECT_TRUE(layer.error().is(EBADMSG)) << size << words(layer);
  }
  EXPECT_EQ(refused, static_cast<int>(tar.size()) - 2);
  EXPECT_EQ(words(layer_of(tar.substr(0, 2000))),
            "the tar is cut off: it ends at byte 2000 in the middle of an entry, in or after 'second'");
}

TEST(TarScan, SaysWhereAPackedTarIsCutOff) {
  TarMaker tar;
  for (int i = 0; i < 200; ++i) tar.file(fmt::format("file{}", i), std::string(700, static_cast<char>('a' + i % 26)));
  const Bytes packed = gzip_of(bytes_of(tar.end()));
  for (std::size_t size = 1; size < packed.size(); size += 97) {
    const auto layer = layer_of(as_text(std::span(packed).first(size)));
    ASSERT_FALSE(layer) << size;
    EXPECT_TRUE(layer.error().is(EBADMSG)) << size << ": " << words(layer);
    EXPECT_GT(words(layer).size(), 20U) << size << ": " << words(layer);
  }
}

TEST(TarScan, RefusesWhatIsNoTarAndWhatIsDamaged) {
  EXPECT_TRUE(layer_of(std::string(3000, 'j')).error().is(EBADMSG));
  std::string tar = TarMaker().file("a", "1").file("b", "2").file("c", "3").end();
  tar[1024 + 3] ^= 1;
  const auto damaged = layer_of(tar);
  EXPECT_TRUE(damaged.error().is(EBADMSG));
  EXPECT_NE(words(damaged).find("damaged before byte 1536, in or after 'a'"), std::string::npos) << words(damaged);
  EXPECT_FALSE(layer_of(TarMaker().header({.name = "PaxHeaders/x", .type = 'x', .size = 9}).body("99 path=x").file("a", "").end()));
}

TEST(TarScan, ShowsRawNamesInMessages) {
  EXPECT_EQ(printable("a\xff\n"), "a\\xff\\x0a");
  EXPECT_EQ(printable(std::string(300, 'x')), std::string(200, 'x') + "…");
}

}  // namespace
}  // namespace acetate::test
