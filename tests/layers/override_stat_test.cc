#include "layers/override_stat.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

namespace acetate {
namespace {

TEST(OverrideStat, ReadsWhatFuseOverlayfsAndContainersStorageWrite) {
  EXPECT_EQ(*parse_override_stat("0:0:755"), (OverrideStat{.permissions = 0755}));
  EXPECT_EQ(*parse_override_stat("1:2:100644"), (OverrideStat{.uid = 1, .gid = 2, .permissions = 0644}));
  EXPECT_EQ(*parse_override_stat("4294967294:0:4755:file"),
            (OverrideStat{.uid = 4294967294U, .permissions = 04755, .type = S_IFREG}));
  EXPECT_EQ(*parse_override_stat("0:0:0777:symlink"), (OverrideStat{.permissions = 0777, .type = S_IFLNK}));
  EXPECT_EQ(*parse_override_stat("0:6:0660:block-8-17"),
            (OverrideStat{.gid = 6, .permissions = 0660, .type = S_IFBLK, .rdev = makedev(8, 17)}));
}

TEST(OverrideStat, RefusesWhatIsNotOne) {
  for (const char* bad : {"", "0", "0:0", "0:0:", "0:0:9", "a:0:644", "0:0:644:", "0:0:644:cat",
                          "0:0:644:char-1", "0:0:644:char-1-2x", "-1:0:644", "99999999999:0:644", "0:0:644 "})
    EXPECT_TRUE(parse_override_stat(bad).error().is(EINVAL)) << bad;
}

TEST(OverrideStat, WritesWhatItReads) {
  for (const char* text : {"0:0:0755", "1:2:4755:file", "0:0:0777:symlink", "5:6:0600:char-1-3",
                           "5:6:0600:block-8-0", "0:0:0755:dir", "0:0:0644:pipe", "0:0:0644:socket"})
    EXPECT_EQ(format_override_stat(*parse_override_stat(text)), text);
}

TEST(OverrideStat, NeverTurnsADirectoryIntoSomethingElseNorAFileIntoADirectory) {
  Attr dir{.mode = S_IFDIR | 0700};
  apply(*parse_override_stat("1:1:755:file"), dir);
  EXPECT_EQ(dir.mode, mode_t{S_IFDIR | 0755});
  Attr file{.mode = S_IFREG | 0700};
  apply(*parse_override_stat("1:1:755:dir"), file);
  EXPECT_EQ(file.mode, mode_t{S_IFREG | 0755});
}

TEST(OverrideStat, LeavesRealSpecialFilesAlone) {
  Attr link{.mode = S_IFLNK | 0777, .uid = 7};
  apply(*parse_override_stat("1:1:755:file"), link);
  EXPECT_EQ(link.mode, mode_t{S_IFLNK | 0777});
  EXPECT_EQ(link.uid, 7U);
}

TEST(OverrideStat, PrefersThePrivilegedSpelling) {
  EXPECT_EQ(override_mode_of({"user.containers.override_stat", "security.fuseoverlayfs.override_stat"}),
            OverrideMode::privileged);
  EXPECT_EQ(override_mode_of({"user.fuseoverlayfs.override_stat", "user.containers.override_stat"}),
            OverrideMode::containers);
  EXPECT_EQ(override_mode_of({"user.other"}), OverrideMode::none);
}

TEST(OverriddenXattr, TakesSecurityAttributesOutOfTheirHidingPlace) {
  EXPECT_EQ(overridden_xattr(OverrideMode::containers, "user.containers.override_security.capability"),
            "security.capability");
  EXPECT_FALSE(overridden_xattr(OverrideMode::user, "user.containers.override_security.capability"));
  EXPECT_FALSE(overridden_xattr(OverrideMode::containers, "user.x"));
}

}  // namespace
}  // namespace acetate
