// The rules of OCI layers, on tarballs made by hand.
#include "layers/tar/tar_tree.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "layers/stack.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tar/tar_maker.h"
#include "tests/layers/tree.h"

namespace acetate::test {
namespace {

Tree tree(const TarMaker& tar) {
  auto layer = layer_of(tar.end());
  if (!layer) return {{"!", layer.error().message()}};
  return tree_of(**layer);
}

Attr attr(const Layer& layer, std::string_view path) {
  auto entry = walk(layer, *RelPath::parse(path));
  EXPECT_TRUE(entry) << path << ": " << words(entry);
  return entry ? entry->attr : Attr{};
}

TEST(TarTree, HoldsEveryTypeOfEntry) {
  TarMaker tar;
  tar.dir("d/").file("d/f", "text").symlink("s", "d/f").hardlink("h", "d/f");
  tar.header({.name = "fifo", .type = '6'}).header({.name = "null", .type = '3', .major = 1, .minor = 3});
  tar.header({.name = "sda", .type = '4', .major = 8, .minor = 0}).header({.name = "seven", .type = '7', .size = 0});

  EXPECT_EQ(tree(tar), (Tree{{"d", "dir"}, {"d/f", "file text"}, {"s", "link d/f"}, {"h", "file text"},
                             {"fifo", "fifo"}, {"null", "char 1:3"}, {"sda", "block 8:0"}, {"seven", "file "}}));
}

TEST(TarTree, LetsTheLastEntryOfANameWin) {
  EXPECT_EQ(tree(TarMaker().file("a", "1").file("b", "2").file("a", "3")), (Tree{{"a", "file 3"}, {"b", "file 2"}}));
  EXPECT_EQ(tree(TarMaker().file("d/x", "1").file("d", "2")), (Tree{{"d", "file 2"}}));
  EXPECT_EQ(tree(TarMaker().file("d/x", "1").file("d", "2").file("d/y", "3")),
            (Tree{{"d", "dir"}, {"d/y", "file 3"}}));
  EXPECT_EQ(tree(TarMaker().file("d/x", "1").symlink("d", "elsewhere")), (Tree{{"d", "link elsewhere"}}));
}

TEST(TarTree, ADirectoryOverADirectoryOnlyChangesItsAttributes) {
  const auto layer = made(TarMaker().dir("d", 0700).file("d/x", "1").dir("d", 0711).end());

  EXPECT_EQ(tree_of(*layer), (Tree{{"d", "dir"}, {"d/x", "file 1"}}));
  EXPECT_EQ(attr(*layer, "d").mode, mode_t{S_IFDIR | 0711});
}

TEST(TarTree, MakesParentsNobodyListed) {
  const auto layer = made(TarMaker().file("a/b/c", "x").end());

  EXPECT_EQ(attr(*layer, "a/b").mode, mode_t{S_IFDIR | 0755});
  EXPECT_EQ(attr(*layer, "a").uid, 0U);
  EXPECT_EQ(attr(*layer, "a").mtime.tv_sec, 0);
}

TEST(TarTree, NeverFollowsASymlink) {
  EXPECT_EQ(tree(TarMaker().symlink("l", "/etc").file("l/passwd", "x")),
            (Tree{{"l", "dir"}, {"l/passwd", "file x"}}));
}

TEST(TarTree, CleansAndClampsNames) {
  EXPECT_EQ(tree(TarMaker().dir("./", 0700).file("./a", "1").file("/b//c", "2").file("///d/./e", "3")),
            (Tree{{"a", "file 1"}, {"b", "dir"}, {"b/c", "file 2"}, {"d", "dir"}, {"d/e", "file 3"}}));
  EXPECT_EQ(attr(*made(TarMaker().dir("./", 0700).end()), "").mode, mode_t{S_IFDIR | 0700});
}

TEST(TarTree, RefusesNamesThatLeadOut) {
  const auto refused = layer_of(TarMaker().file("ok", "").file("a/../../etc/x", "1").end());

  EXPECT_TRUE(refused.error().is(EINVAL));
  EXPECT_EQ(words(refused),
            "entry 'a/../../etc/x' (data at byte 1024 of the tar): its name leads out of the layer or is none");
  EXPECT_FALSE(layer_of(TarMaker().hardlink("h", "../../x").end()));
  EXPECT_FALSE(layer_of(TarMaker().file("./", "root as a file").symlink(".", "x").end()));
}

TEST(TarTree, WhiteoutsHideWhatIsBelowWhereverTheyStand) {
  const Tree expected = {{"d", "dir"}, {"d/gone", "whiteout"}, {"d/kept", "file 1"}};
  EXPECT_EQ(tree(TarMaker().file("d/kept", "1").file("d/.wh.gone", "")), expected);
  EXPECT_EQ(tree(TarMaker().file("d/.wh.gone", "").file("d/kept", "1")), expected);
  EXPECT_EQ(tree(TarMaker().file("d/kept", "1").header({.name = "d/gone", .type = '3'})), expected);
  EXPECT_EQ(tree(TarMaker().file("d/gone", "2").file("d/kept", "1").header({.name = "d/gone", .type = '3'})),
            expected);
}

TEST(TarTree, AnEntryWinsOverAWhiteoutOfItsName) {
  EXPECT_EQ(tree(TarMaker().file("a", "1").file(".wh.a", "")), (Tree{{"a", "file 1"}}));
  EXPECT_EQ(tree(TarMaker().file(".wh.a", "").file("a", "1")), (Tree{{"a", "file 1"}}));
  // A directory that is new although there was one below.
  EXPECT_EQ(tree(TarMaker().file("d/x", "1").file(".wh.d", "")), (Tree{{"d", "dir opaque"}, {"d/x", "file 1"}}));
}

TEST(TarTree, OpaqueMarkersStandBeforeOrAfterWhatTheyLeave) {
  const Tree expected = {{"d", "dir opaque"}, {"d/x", "file 1"}};
  EXPECT_EQ(tree(TarMaker().file("d/.wh..wh..opq", "").file("d/x", "1")), expected);
  EXPECT_EQ(tree(TarMaker().file("d/x", "1").file("d/.wh..wh..opq", "").dir("d", 0700)), expected);
  EXPECT_EQ(tree(TarMaker().pax({{"SCHILY.xattr.trusted.overlay.opaque", "y"}}).dir("d").file("d/x", "1")), expected);
}

TEST(TarTree, AufsBookkeepingIsSeenByNobodyButMayBeLinkedTo) {
  EXPECT_EQ(tree(TarMaker().file(".wh..wh.aufs", "").dir(".wh..wh.plnk").file(".wh..wh.plnk/1.2", "text")
                     .hardlink("a", ".wh..wh.plnk/1.2").hardlink("b", ".wh..wh.plnk/1.2").file(".wh.", "")),
            (Tree{{"a", "file text"}, {"b", "file text"}}));
}

TEST(TarTree, HardLinksShareAnInodeWhicheverComesFirst) {
  for (const TarMaker& tar : {TarMaker().file("a", "x").hardlink("b", "a").hardlink("c", "./b"),
                              TarMaker().hardlink("c", "b").hardlink("b", "/a").file("a", "x")}) {
    const auto layer = made(tar.end());

    EXPECT_EQ(tree_of(*layer), (Tree{{"a", "file x"}, {"b", "file x"}, {"c", "file x"}}));
    EXPECT_EQ(attr(*layer, "a").nlink, 3U);
    EXPECT_EQ(attr(*layer, "a").ino, attr(*layer, "b").ino);
    EXPECT_EQ(attr(*layer, "a").ino, attr(*layer, "c").ino);
  }
}

TEST(TarTree, AHardLinkKeepsWhatItsTargetWas) {
  const auto layer = made(TarMaker().file("a", "old").hardlink("b", "a").file("a", "new").end());

  EXPECT_EQ(tree_of(*layer), (Tree{{"a", "file new"}, {"b", "file old"}}));
  EXPECT_EQ(attr(*layer, "b").nlink, 1U);
}

TEST(TarTree, AHardLinkToAPathTheLayerHasNotSaysWhere) {
  EXPECT_EQ(tree(TarMaker().hardlink("a", "/usr/bin/x").hardlink("b", "a")),
            (Tree{{"a", "external usr/bin/x"}, {"b", "external usr/bin/x"}}));
  EXPECT_EQ(tree(TarMaker().hardlink("self", "self")), (Tree{{"self", "external self"}}));
  EXPECT_EQ(tree(TarMaker().hardlink("a", "b").hardlink("b", "a")), (Tree{{"a", "external b"}, {"b", "external b"}}));
  EXPECT_EQ(tree(TarMaker().file("a", "x").hardlink("a", "a")), (Tree{{"a", "file x"}}));
}

TEST(TarTree, AHardLinkMayBeToASymlinkButNotToADirectory) {
  EXPECT_EQ(tree(TarMaker().symlink("s", "t").hardlink("h", "s")), (Tree{{"s", "link t"}, {"h", "link t"}}));
  for (const TarMaker& tar : {TarMaker().dir("d").hardlink("h", "d"), TarMaker().hardlink("h", "d").dir("d")}) {
    const auto refused = layer_of(tar.end());
    EXPECT_NE(words(refused).find("hard link to a directory, 'd'"), std::string::npos) << words(refused);
  }
}

TEST(TarTree, HidesOverlaysOwnAttributesAndUnescapesNestedOnes) {
  const auto layer = made(TarMaker()
                                   .pax({{"SCHILY.xattr.user.containers.override_stat", "0:0:4755"},
                                         {"SCHILY.xattr.user.overlay.origin", "x"},
                                         {"SCHILY.xattr.user.overlay.overlay.opaque", "y"},
                                         {"SCHILY.xattr.user.mine", "v"}})
                                   .file("a", "")
                                   .end());

  EXPECT_NE(listing_of(*layer).find(" user.mine=v user.overlay.opaque=y "), std::string::npos) << listing_of(*layer);
  EXPECT_EQ(listing_of(*layer).find("override"), std::string::npos);
}

TEST(TarTree, RefusesBombs) {
  TarScanOptions few;
  few.limits.entries = 2;
  EXPECT_EQ(words(layer_of(TarMaker().file("a", "").file("b", "").file("c", "").end(), few)),
            "entry 'c' (data at byte 1536 of the tar): the tar has more than 2 entries");
  TarScanOptions small;
  small.limits.metadata_bytes = 1000;
  TarMaker many;
  for (int i = 0; i < 50; ++i) many.file(fmt::format("file{}", i), "");
  EXPECT_TRUE(layer_of(many.end(), small).error().is(EFBIG));

  const auto too_big = [](const TarMaker& tar) { return layer_of(tar.end()).error().is(EFBIG); };
  EXPECT_TRUE(too_big(TarMaker().pax({{"path", std::string(256, 'n')}}).file("x", "")));
  EXPECT_TRUE(too_big(TarMaker().pax({{"path", std::string(256, 'n') + "/a"}}).file("x", "")));
  std::string deep;
  while (deep.size() < 40000) deep += "d/";
  EXPECT_TRUE(too_big(TarMaker().pax({{"path", deep + "x"}}).file("x", "")));
  EXPECT_TRUE(too_big(TarMaker().pax({{"linkpath", std::string(5000, 't')}}).symlink("s", "t")));
  EXPECT_TRUE(too_big(TarMaker().pax({{"SCHILY.xattr.user.a", std::string(70000, 'v')}}).file("x", "")));
  EXPECT_TRUE(too_big(TarMaker().pax({{"SCHILY.xattr.user." + std::string(300, 'n'), "v"}}).file("x", "")));
  EXPECT_TRUE(too_big(TarMaker().pax({{"SCHILY.xattr.user.a", std::string(2000000, 'v')}}).file("x", "")));
  PaxList xattrs;
  for (int i = 0; i < 1100; ++i) xattrs.emplace_back(fmt::format("SCHILY.xattr.user.{}", i), "");
  EXPECT_TRUE(too_big(TarMaker().pax(xattrs).file("x", "")));
}

}  // namespace
}  // namespace acetate::test
