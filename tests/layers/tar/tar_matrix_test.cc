// Corners of the format that real tars have been seen to stand in, one a test; what the commonest readers make of each
// differs. tar_scan_test.cc has the ordinary things.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstring>

#include "base/bytes.h"
#include "layers/stack.h"
#include "layers/tar/tar_scan.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tar/tar_maker.h"
#include "tests/layers/tree.h"

namespace acetate::test {
namespace {

Attr attr(const std::string& tar, std::string_view path) {
  const auto layer = made(tar);
  const auto entry = walk(*layer, *RelPath::parse(path));
  EXPECT_TRUE(entry) << path;
  return entry ? entry->attr : Attr{};
}

std::string xattr(const std::string& tar, std::string_view path, const char* name) {
  const auto layer = made(tar);
  const auto entry = walk(*layer, *RelPath::parse(path));
  if (!entry) return "no entry";
  const auto value = layer->xattr(entry->node, name);
  return value ? *value : "!" + words(value);
}

// A field of the first header changed, and its checksum made right again; bytes counted as the platform's char there.
std::string with_field(std::string tar, std::size_t at, std::string_view bytes, bool signed_sum = false) {
  tar.replace(at, bytes.size(), bytes);
  tar.replace(148, 8, "        ");
  long sum = 0;
  for (const char c : tar.substr(0, 512)) sum += signed_sum ? static_cast<signed char>(c) : static_cast<unsigned char>(c);
  tar.replace(148, 8, fmt::format("{:06o}", static_cast<unsigned long>(sum) & 0777777) + std::string("\0 ", 2));
  return tar;
}

TEST(TarMatrix, TwoGlobalHeadersAndAnEmptyOneMayFollowOneAnother) {
  TarMaker tar;
  tar.pax({{"uid", "7"}}, 'g').pax({}, 'g').pax({{"gid", "8"}}, 'g').file("a", "");
  EXPECT_EQ(attr(tar.end(), "a").uid, 7U);
  EXPECT_EQ(attr(tar.end(), "a").gid, 8U);
}

TEST(TarMatrix, AGlobalHeaderMayBeTheLastOrTheOnlyThing) {
  EXPECT_EQ(tree_of(*made(TarMaker().pax({{"comment", "c0ffee"}}, 'g').end())), Tree{});
  EXPECT_EQ(tree_of(*made(TarMaker().file("a", "1").pax({{"comment", "c0ffee"}}, 'g').end())), (Tree{{"a", "file 1"}}));
}

TEST(TarMatrix, AGlobalHeaderMayStandBetweenAnExtendedOneAndItsEntry) {
  TarMaker tar;
  tar.pax({{"path", "long"}}).pax({{"uid", "7"}}, 'g').file("short", "1");
  EXPECT_EQ(tree_of(*made(tar.end())), (Tree{{"long", "file 1"}}));
  EXPECT_EQ(attr(tar.end(), "long").uid, 7U);
}

TEST(TarMatrix, GlobalAttributesAreOfEverythingThatHasNoneOfItsOwn) {
  TarMaker tar;
  tar.pax({{"SCHILY.xattr.user.a", "global"}}, 'g').file("a", "");
  tar.pax({{"SCHILY.xattr.user.a", "own"}}).file("b", "");
  EXPECT_EQ(xattr(tar.end(), "a", "user.a"), "global");
  EXPECT_EQ(xattr(tar.end(), "b", "user.a"), "own");
}

TEST(TarMatrix, AnExtendedHeaderAndALongNameMayComeInEitherOrder) {
  TarMaker tar;
  tar.pax({{"path", "by pax"}}).gnu_long('L', "by gnu").file("x", "1");
  tar.gnu_long('L', "by gnu too").pax({{"path", "by pax too"}}).file("x", "2");
  tar.gnu_long('K', "target").pax({{"mtime", "5"}}).hardlink("h", "x").file("target", "3");
  EXPECT_EQ(tree_of(*made(tar.end())),
            (Tree{{"by pax", "file 1"}, {"by pax too", "file 2"}, {"h", "file 3"}, {"target", "file 3"}}));
}

TEST(TarMatrix, TheNameOfUstarMayBeInTwoFields) {
  const std::string tar = with_field(TarMaker().file("name", "1").end(), 345, "some/prefix");
  EXPECT_EQ(tree_of(*made(tar)), (Tree{{"some", "dir"}, {"some/prefix", "dir"}, {"some/prefix/name", "file 1"}}));
}

TEST(TarMatrix, AHeaderWithoutAMagicIsOfTheOldestFormat) {
  const std::string tar = with_field(TarMaker().file("old", "1").end(), 257, std::string(255, '\0'));
  EXPECT_EQ(tree_of(*made(tar)), (Tree{{"old", "file 1"}}));
}

TEST(TarMatrix, AChecksumMayHaveBeenMadeOfSignedBytes) {
  const std::string tar = with_field(TarMaker().file("old", "1").end(), 0, "\xff\xfe", true);
  EXPECT_EQ(tree_of(*made(tar)), (Tree{{"\xff\xfe" "d", "file 1"}}));
}

TEST(TarMatrix, TypesThatNobodyKnowsAreFiles) {
  TarMaker tar;
  for (const char type : {'\0', '7', 'Z', 'z'})
    tar.header({.name = fmt::format("t{}", static_cast<int>(type)), .type = type, .size = 4}).body("text");
  tar.file("end", "");
  EXPECT_EQ(tree_of(*made(tar.end())), (Tree{{"t0", "file text"}, {"t55", "file text"}, {"t90", "file text"},
                                             {"t122", "file text"}, {"end", "file "}}));
}

TEST(TarMatrix, AVolumeLabelIsNothingAndADumpedDirectoryIsOne) {
  TarMaker tar;
  tar.header({.name = "label", .type = 'V'});
  tar.header({.name = "d/", .type = 'D', .size = 6}).body(std::string("Yfile\0", 6));
  tar.file("d/file", "1");
  EXPECT_EQ(tree_of(*made(tar.end())), (Tree{{"d", "dir"}, {"d/file", "file 1"}}));
}

TEST(TarMatrix, SolarisHeadersAreReadAndItsAclsPassedOver) {
  TarMaker tar;
  tar.pax({{"path", "by X"}}, 'X').file("x", "1");
  tar.header({.name = "acl", .type = 'A', .size = 9}).body("1000000\0\0").file("y", "2");
  EXPECT_EQ(tree_of(*made(tar.end())), (Tree{{"by X", "file 1"}, {"y", "file 2"}}));
}

TEST(TarMatrix, TargetsOfHardLinksAreCleanedLikeNames) {
  TarMaker tar;
  tar.file("d/f", "1").hardlink("absolute", "/d/f").hardlink("dotted", "./d//f").hardlink("before", "/z").file("z", "2");
  EXPECT_EQ(tree_of(*made(tar.end())), (Tree{{"d", "dir"}, {"d/f", "file 1"}, {"absolute", "file 1"},
                                             {"dotted", "file 1"}, {"before", "file 2"}, {"z", "file 2"}}));
  EXPECT_EQ(attr(tar.end(), "d/f").nlink, 3U);
}

TEST(TarMatrix, AHardLinkToItselfOrToAWhiteoutIsALinkToWhatIsBelow) {
  const std::string lower = TarMaker().file("self", "s").file("gone", "g").end();
  TarMaker upper;
  upper.hardlink("self", "self").file(".wh.gone", "").hardlink("kept", "gone");
  const LayerPtr tree = *make_stack({made(upper.end()), made(lower)});
  EXPECT_EQ(tree_of(*tree), (Tree{{"self", "file s"}, {"kept", "file g"}}));
}

TEST(TarMatrix, HardLinksInACircleLeadNowhere) {
  const auto layer = layer_of(TarMaker().hardlink("a", "b").hardlink("b", "c").hardlink("c", "a").file("f", "1").end());
  ASSERT_TRUE(layer) << words(layer);
  const LayerPtr tree = *make_stack({*layer});
  EXPECT_EQ(text_of(*tree, "f"), "1");
  EXPECT_FALSE(tree->lookup(tree->root(), "a"));
}

TEST(TarMatrix, SizesPastEightGigabytesAreReadInBothSpellings) {
  constexpr std::uint64_t kSize = (std::uint64_t{9} << 30) + 5;
  TarMaker tar;
  // The whole of it a hole, so that the tar is none of that size.
  tar.pax({{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.name", "pax"},
           {"GNU.sparse.realsize", std::to_string(kSize)}});
  tar.file("GNUSparseFile.0/pax", std::string("0\n") + std::string(510, '\0'));
  EXPECT_EQ(attr(tar.end(), "pax").size, kSize);

  std::string field(12, '\0');
  field[0] = '\x80';
  for (std::size_t i = 0; i < 8; ++i) field[11 - i] = static_cast<char>(kSize >> (8 * i) & 0xff);
  std::string old = TarMaker().header({.name = "old", .type = 'S'}).end();
  // Old GNU: the magic with blanks, the map, and the real size.
  old = with_field(std::move(old), 257, std::string_view("ustar  \0", 8));
  old = with_field(std::move(old), 483, field);
  EXPECT_EQ(attr(old, "old").size, kSize);
}

TEST(TarMatrix, HolesOfSolarisAreHoles) {
  // Pairs of where data begins and where the hole after it does; the holes are stored too.
  TarMaker tar;
  const std::string content = "data" + std::string(1996, '\0') + "more" + std::string(996, '\0');
  tar.pax({{"SUN.holesdata", " 0 4 2000 2004 3000"}, {"size", "3000"}}).file("s", content);
  tar.file("end", "1");
  const auto layer = layer_of(tar.end());
  ASSERT_TRUE(layer) << words(layer);
  EXPECT_EQ(text_of(**layer, "end"), "1");
  EXPECT_EQ(text_of(**layer, "s"), content);
  const auto view = *(*layer)->open((*layer)->lookup((*layer)->root(), "s")->node);
  EXPECT_FALSE(view->segment(0).hole);
  EXPECT_TRUE(view->segment(4).hole);
  EXPECT_FALSE(view->segment(2000).hole);
}

TEST(TarMatrix, TheTargetOfASymlinkAndTheValueOfAnAttributeMayHoldAnything) {
  const std::string odd = " \n\t=%25\\";
  TarMaker tar;
  tar.pax({{"linkpath", odd}}).symlink("s", "x").pax({{"SCHILY.xattr.user.x", odd + std::string(1, '\0')}}).file("f", "");
  EXPECT_EQ(tree_of(*made(tar.end())).at("s"), "link " + odd);
  EXPECT_EQ(xattr(tar.end(), "f", "user.x"), odd + std::string(1, '\0'));
}

TEST(TarMatrix, CapabilitiesOfBothVersionsAreBytes) {
  // struct vfs_cap_data of version 2, and of 3 with the root's id at its end (linux/capability.h).
  const std::string v2("\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  const std::string v3 = std::string("\x01\0\0\x03", 4) + v2.substr(4) + std::string("\xa0\x86\x01\0", 4);
  TarMaker tar;
  tar.pax({{"SCHILY.xattr.security.capability", v2}}).file("two", "").pax({{"SCHILY.xattr.security.capability", v3}}).file("three", "");
  EXPECT_EQ(xattr(tar.end(), "two", "security.capability"), v2);
  EXPECT_EQ(xattr(tar.end(), "three", "security.capability"), v3);
}

TEST(TarMatrix, DevicesKeepLargeNumbersAndAPipeNeedsNone) {
  TarMaker tar;
  tar.header({.name = "c", .type = '3', .major = 4095, .minor = 1048575 & 0777777}).header({.name = "b", .type = '4', .major = 8});
  tar.header({.name = "p", .type = '6', .size = 0});
  EXPECT_EQ(attr(tar.end(), "c").rdev, makedev(4095, 1048575 & 0777777));
  EXPECT_TRUE(S_ISBLK(attr(tar.end(), "b").mode));
  EXPECT_TRUE(S_ISFIFO(attr(tar.end(), "p").mode));
}

TEST(TarMatrix, WhatIsNoWholeBlockAtTheEndIsHashedAndNothingElse) {
  const std::string tar = TarMaker().file("a", "1").end() + std::string(100, 'g');
  EXPECT_EQ(tree_of(*made(tar)), (Tree{{"a", "file 1"}}));
  EXPECT_EQ(scan_tar(source_of(tar))->pass.diff_id, Digest::of(tar));
}

// What an ACL is on disk, entry by entry.
std::string acl(std::initializer_list<std::tuple<std::uint16_t, std::uint16_t, std::uint32_t>> entries) {
  ByteWriter value;
  value.put(std::uint32_t{2});
  for (const auto& [tag, permissions, id] : entries) {
    value.put(tag);
    value.put(permissions);
    value.put(id);
  }
  return std::string(as_text(value.bytes()));
}
constexpr std::uint32_t kNoId = 0xffffffffU;

TEST(TarMatrix, AclsInEverySpellingAreTheKernelsAttributes) {
  const std::string expected = acl({{0x01, 6, kNoId}, {0x02, 4, 502}, {0x04, 4, kNoId}, {0x08, 5, 8}, {0x10, 7, kNoId}, {0x20, 0, kNoId}});
  const std::pair<const char*, std::string> spellings[] = {
      {"GNU tar and star", "user::rw-\nuser:502:r--\ngroup::r--\ngroup:8:r-x\nmask::rwx\nother::---\n"},
      {"bsdtar", "user::rw-,group::r--,other::---,user:lisa:r--:502,group:mail:r-x:8,mask::rwx"},
      {"short", "u::rw-,u:502:r--,g::r--,g:8:r-x,m::rwx,o::---"},
      {"with what is effective", "user::rw-\nuser:502:r--\t#effective:r--\ngroup::r--\ngroup:8:r-x\nmask::rwx\nother::---\n"},
  };
  for (const auto& [who, text] : spellings) {
    const std::string tar = TarMaker().pax({{"SCHILY.acl.access", text}}).file("f", "", 0674).end();
    EXPECT_EQ(xattr(tar, "f", "system.posix_acl_access"), expected) << who;
  }
  // As Go's archivers write what the file system told them.
  EXPECT_EQ(xattr(TarMaker().pax({{"SCHILY.xattr.system.posix_acl_access", expected}}).file("f", "").end(), "f",
                  "system.posix_acl_access"), expected);
}

TEST(TarMatrix, ADefaultAclIsADirectorysAlone) {
  const std::string text = "user::rwx\ngroup::r-x\nother::---\n";
  TarMaker tar;
  tar.pax({{"SCHILY.acl.default", text}, {"SCHILY.acl.access", text}}).dir("d");
  tar.pax({{"SCHILY.acl.default", text}}).file("f", "");
  tar.pax({{"SCHILY.acl.access", "user::rwx\nuser:1:rwx\ngroup::rwx\nmask::rwx\nother::rwx\n"}}).symlink("s", "d");
  EXPECT_EQ(xattr(tar.end(), "d", "system.posix_acl_default"), acl({{0x01, 7, kNoId}, {0x04, 5, kNoId}, {0x20, 0, kNoId}}));
  // It says what the mode says.
  EXPECT_EQ(xattr(tar.end(), "d", "system.posix_acl_access"), "!No data available");
  EXPECT_EQ(xattr(tar.end(), "f", "system.posix_acl_default"), "!No data available");
  EXPECT_EQ(xattr(tar.end(), "s", "system.posix_acl_access"), "!No data available");
}

TEST(TarMatrix, WhoOnlyHasANameInAnAclIsLeftOutOfItAndItsMaskStays) {
  const std::string tar = TarMaker().pax({{"SCHILY.acl.access", "user::rw-\nuser:lisa:rwx\ngroup::r--\nmask::rwx\nother::r--\n"}}).file("f", "").end();
  EXPECT_EQ(xattr(tar, "f", "system.posix_acl_access"),
            acl({{0x01, 6, kNoId}, {0x04, 4, kNoId}, {0x10, 7, kNoId}, {0x20, 4, kNoId}}));
}

TEST(TarMatrix, AnAclThatIsNoneIsLeftOut) {
  for (const char* text : {"nonsense", "user::rw-", "user::rwxx\ngroup::r--\nother::r--", "user::rw-\nuser::rw-\ngroup::r--\nother::r--",
                           "user::rw-\nuser:5:rw-\ngroup::r--\nother::r--", "user::rw-,user:x:r--:y,group::r--,mask::r--,other::r--"}) {
    const std::string tar = TarMaker().pax({{"SCHILY.acl.access", text}}).file("f", "1").end();
    EXPECT_EQ(xattr(tar, "f", "system.posix_acl_access"), "!No data available") << text;
    EXPECT_EQ(tree_of(*made(tar)), (Tree{{"f", "file 1"}})) << text;
  }
}

}  // namespace
}  // namespace acetate::test
