// Making, removing and renaming: whiteouts where the lower has the name and nowhere else, opaque where it must be.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "tests/fs/overlay_fixture.h"

namespace acetate::fs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Remove, PutsAWhiteoutOnlyWhereTheLowerHasTheName) {
  Mounted m({memory_file("d/f", "x")});
  ASSERT_EQ(code(m.write("d/new", "y")), 0);

  ASSERT_EQ(code(m.unlink("d/new")), 0);
  ASSERT_EQ(code(m.unlink("d/f")), 0);

  EXPECT_EQ(m.upper(), (Tree{{"d", "/"}, {"d/f", "whiteout"}}));
  EXPECT_EQ(code(m.look("d/f")), ENOENT);
  EXPECT_THAT(*m.names("d"), IsEmpty());
}

TEST(Remove, DeleteCreateDeleteAtTheRootResurrectsNothing) {
  Mounted m({memory_file("f", "lower"), memory_file("dir/x", "x")});
  ASSERT_EQ(code(m.unlink("f")), 0);
  ASSERT_EQ(code(m.write("f", "new")), 0);
  ASSERT_EQ(code(m.unlink("f")), 0);
  EXPECT_EQ(code(m.look("f")), ENOENT);

  ASSERT_EQ(code(m.unlink("dir/x")), 0);
  ASSERT_EQ(code(m.rmdir("dir")), 0);
  ASSERT_EQ(code(m.mkdir("dir")), 0);
  EXPECT_THAT(*m.names("dir"), IsEmpty());
  m.remount();
  EXPECT_EQ(m.merged(), (Tree{{"dir", "/"}}));
  EXPECT_EQ(m.upper(), (Tree{{"dir", "/opaque"}, {"f", "whiteout"}}));
  ASSERT_EQ(code(m.rmdir("dir")), 0);
  m.remount();
  EXPECT_THAT(m.merged(), IsEmpty());
}

TEST(Remove, PutsNoWhiteoutInsideAnOpaqueDirectory) {
  Mounted m({memory_file("d/f", "x")});
  ASSERT_EQ(code(m.unlink("d/f")), 0);
  ASSERT_EQ(code(m.rmdir("d")), 0);
  ASSERT_EQ(code(m.mkdir("d")), 0);
  ASSERT_EQ(code(m.write("d/f", "y")), 0);
  ASSERT_EQ(code(m.unlink("d/f")), 0);
  EXPECT_EQ(m.upper(), (Tree{{"d", "/opaque"}}));
}

TEST(Remove, SaysExactlyWhyItCannot) {
  Mounted m({memory_file("d/f", "x"), memory_file("g", "y")});
  EXPECT_EQ(code(m.rmdir("d")), ENOTEMPTY);
  EXPECT_EQ(code(m.rmdir("g")), ENOTDIR);
  EXPECT_EQ(code(m.unlink("d")), EISDIR);
  EXPECT_EQ(code(m.unlink("none")), ENOENT);
  EXPECT_EQ(code(m.rmdir("none")), ENOENT);
}

TEST(Remove, LeavesAnOpenFileWhole) {
  Mounted m;
  ASSERT_EQ(code(m.write("f", "text")), 0);
  const Ino f = m.ino("f");
  const Handle handle = *m.open("f", O_RDWR);

  ASSERT_EQ(code(m.unlink("f")), 0);

  EXPECT_EQ(m.overlay().getattr(f)->nlink, 0U);
  ASSERT_EQ(code(m.write_at(handle, 0, "TEXT")), 0);
  EXPECT_EQ(m.read_through(handle), "TEXT");
  EXPECT_EQ(m.overlay().setattr(f, {.mode = 0600}, handle)->mode, S_IFREG | 0600);
  EXPECT_EQ(m.overlay().setattr(f, {.size = 2}, handle)->size, 2U);
  EXPECT_THAT(m.upper(), IsEmpty());
}

TEST(Remove, OfOneNameOfAnUpperHardLinkKeepsTheOther) {
  Mounted m;
  ASSERT_EQ(code(m.write("a", "text")), 0);
  ASSERT_EQ(code(m.link("a", "b")), 0);
  EXPECT_EQ(m.ino("a"), m.ino("b"));
  EXPECT_EQ(m.attr("a").nlink, 2U);

  ASSERT_EQ(code(m.unlink("a")), 0);

  EXPECT_EQ(*m.read("b"), "text");
  EXPECT_EQ(m.attr("b").nlink, 1U);
  ASSERT_EQ(code(m.rename("b", "c")), 0);
  EXPECT_EQ(*m.read("c"), "text");
}

TEST(Make, InAPureUpperDirectoryInheritsGroupAndSetgid) {
  Mounted m;
  ASSERT_EQ(code(m.mkdir("shared")), 0);
  ASSERT_TRUE(m.overlay().setattr(m.ino("shared"), {.mode = 02775, .gid = 42}, {}));
  m.caller = {.uid = 7, .gid = 8, .umask = 022};

  ASSERT_EQ(code(m.mkdir("shared/sub", 0777)), 0);
  ASSERT_EQ(code(m.mknod("shared/file", S_IFREG | 0666)), 0);
  ASSERT_EQ(code(m.mknod("plain", S_IFREG | 04755)), 0);

  EXPECT_EQ(m.attr("shared/sub").mode, S_IFDIR | 02755);
  EXPECT_EQ(m.attr("shared/sub").gid, 42U);
  EXPECT_EQ(m.attr("shared/sub").uid, 7U);
  EXPECT_EQ(m.attr("shared/file").mode, S_IFREG | 0644);
  EXPECT_EQ(m.attr("shared/file").gid, 42U);
  EXPECT_EQ(m.attr("plain").gid, 8U);
  EXPECT_EQ(m.attr("plain").mode, S_IFREG | 04755);
}

TEST(Make, OverAWhiteoutInheritsAsElsewhere) {
  Mounted m({memory_file("shared/f", "x"), memory_file("shared/d/x", "x")});
  ASSERT_TRUE(m.overlay().setattr(m.ino("shared"), {.mode = 02775, .gid = 42}, {}));
  ASSERT_EQ(code(m.unlink("shared/f")), 0);
  ASSERT_EQ(code(m.unlink("shared/d/x")), 0);
  ASSERT_EQ(code(m.rmdir("shared/d")), 0);
  m.caller = {.uid = 7, .gid = 8, .umask = 027};

  ASSERT_EQ(code(m.mknod("shared/f", S_IFREG | 0666)), 0);
  ASSERT_EQ(code(m.mkdir("shared/d", 0777)), 0);

  EXPECT_EQ(m.attr("shared/f").gid, 42U);
  EXPECT_EQ(m.attr("shared/f").mode, S_IFREG | 0640);
  EXPECT_EQ(m.attr("shared/d").mode, S_IFDIR | 02750);
  EXPECT_EQ(m.upper(), (Tree{{"shared", "/"}, {"shared/d", "/opaque"}, {"shared/f", ""}}));
  EXPECT_THAT(m.work(), IsEmpty());
}

TEST(Make, IsOpaqueOnlyWhereTheLowerHasADirectory) {
  Mounted m({memory_file("f", "x")});
  ASSERT_EQ(code(m.unlink("f")), 0);
  ASSERT_EQ(code(m.mkdir("f")), 0);
  ASSERT_EQ(code(m.mkdir("fresh")), 0);
  EXPECT_EQ(m.upper(), (Tree{{"f", "/"}, {"fresh", "/"}}));
}

TEST(Make, RefusesNamesThatExistAndDevicesThatMeanWhiteout) {
  Mounted m({memory_file("f", "x")});
  EXPECT_EQ(code(m.mkdir("f")), EEXIST);
  EXPECT_EQ(code(m.symlink("f", "x")), EEXIST);
  EXPECT_EQ(code(m.overlay().create(Ino::root, "f", 0644, O_WRONLY | O_EXCL, {})), EEXIST);
  EXPECT_EQ(code(m.mknod("w", S_IFCHR | 0600, 0)), EPERM);
}

TEST(Make, TakesADefaultAclInsteadOfTheUmask) {
  Mounted m({memory_file("d/f", "x")});
  // user::rwx group::rwx other::--- as the kernel's xattr has it (posix_acl_xattr.h).
  const std::string acl("\2\0\0\0" "\1\0\7\0\377\377\377\377" "\4\0\7\0\377\377\377\377" "\40\0\0\0\377\377\377\377", 28);
  const auto set = m.overlay().setxattr(m.ino("d"), "system.posix_acl_default", acl, 0, false);
  if (code(set) == ENOTSUP) GTEST_SKIP() << "no ACLs on this file system";
  ASSERT_EQ(code(set), 0);
  ASSERT_EQ(code(m.unlink("d/f")), 0);
  m.caller.umask = 077;

  ASSERT_EQ(code(m.mknod("d/plain", S_IFREG | 0666)), 0);
  ASSERT_EQ(code(m.mknod("d/f", S_IFREG | 0666)), 0);  // over a whiteout

  EXPECT_EQ(m.attr("d/plain").mode, S_IFREG | 0660);
  EXPECT_EQ(m.attr("d/f").mode, S_IFREG | 0660);
}

TEST(Make, CanMakeAFileWithoutANameAndNameItLater) {
  Mounted m;
  auto made = m.overlay().tmpfile(Ino::root, 0644, O_RDWR, {});
  if (code(made) == EOPNOTSUPP) GTEST_SKIP() << "no O_TMPFILE on this file system";
  ASSERT_TRUE(made);
  ASSERT_EQ(code(m.write_at(made->opened.handle, 0, "text")), 0);
  ASSERT_TRUE(m.overlay().link(made->found.ino, Ino::root, "named"));
  EXPECT_EQ(m.ino("named"), made->found.ino);
  EXPECT_EQ(*m.read("named"), "text");
}

TEST(Rename, LeavesAWhiteoutWhereTheLowerHasTheOldName) {
  Mounted m({memory_file("d/f", "x"), memory_dir("e")});
  ASSERT_EQ(code(m.rename("d/f", "e/g")), 0);
  EXPECT_EQ(m.upper(), (Tree{{"d", "/"}, {"d/f", "whiteout"}, {"e", "/"}, {"e/g", "x"}}));
  EXPECT_EQ(m.merged(), (Tree{{"d", "/"}, {"e", "/"}, {"e/g", "x"}}));
}

TEST(Rename, OverAWhiteoutAndThenUnlinkedDoesNotBringTheLowerBack) {
  Mounted m({memory_file("f", "lower")});
  ASSERT_EQ(code(m.unlink("f")), 0);
  ASSERT_EQ(code(m.write("g", "new")), 0);
  ASSERT_EQ(code(m.rename("g", "f", RENAME_NOREPLACE)), 0);  // a whited-out name is free
  EXPECT_EQ(m.merged(), (Tree{{"f", "new"}}));
  ASSERT_EQ(code(m.unlink("f")), 0);
  EXPECT_EQ(code(m.look("f")), ENOENT);
}

TEST(Rename, OfAFreshDirectoryOverAWhitedOutOneIsOpaque) {
  Mounted m({memory_file("d/f", "x")});
  ASSERT_EQ(code(m.unlink("d/f")), 0);
  ASSERT_EQ(code(m.rmdir("d")), 0);
  ASSERT_EQ(code(m.mkdir("new")), 0);
  ASSERT_EQ(code(m.write("new/y", "y")), 0);

  ASSERT_EQ(code(m.rename("new", "d")), 0);

  m.remount();
  EXPECT_EQ(m.merged(), (Tree{{"d", "/"}, {"d/y", "y"}}));
}

TEST(Rename, OfADirectoryTheLowerTakesPartInIsEXDEV) {
  Mounted m({memory_file("d/f", "x")});
  EXPECT_EQ(code(m.rename("d", "e")), EXDEV);
  ASSERT_EQ(code(m.write("d/g", "y")), 0);
  EXPECT_EQ(code(m.rename("d", "e")), EXDEV);
}

TEST(Rename, AnswersAsTheSystemCallDoes) {
  Mounted m({memory_file("full/x", "x"), memory_file("f", "f")});
  ASSERT_EQ(code(m.mkdir("d")), 0);
  ASSERT_EQ(code(m.mkdir("d/sub")), 0);
  EXPECT_EQ(code(m.rename("d", "d/sub/d")), EINVAL);
  EXPECT_EQ(code(m.rename("d/sub", "d")), ENOTEMPTY);
  EXPECT_EQ(code(m.rename("d", "full")), ENOTEMPTY);
  EXPECT_EQ(code(m.rename("d", "f")), ENOTDIR);
  EXPECT_EQ(code(m.rename("f", "d")), EISDIR);
  EXPECT_EQ(code(m.rename("none", "x")), ENOENT);
  EXPECT_EQ(code(m.rename("f", "d", RENAME_NOREPLACE)), EEXIST);
  EXPECT_EQ(code(m.rename("f", "none", RENAME_EXCHANGE)), ENOENT);
  EXPECT_EQ(code(m.rename("f", "x", RENAME_WHITEOUT)), EINVAL);
}

// A copy would show: one of a lower's hard links is a file of its own from then on.
TEST(Rename, ThatIsRefusedCopiesNothingUp) {
  Mounted m({memory_file("f", "f"), memory_file("full/x", "x"), memory_dir("empty")});
  EXPECT_EQ(code(m.rename("f", "full", RENAME_EXCHANGE)), EXDEV);
  EXPECT_EQ(code(m.rename("f", "none", RENAME_EXCHANGE)), ENOENT);
  EXPECT_EQ(code(m.rename("f", "full")), EISDIR);
  EXPECT_EQ(code(m.rename("f", "empty", RENAME_NOREPLACE)), EEXIST);
  EXPECT_EQ(m.upper(), Tree());

  Mounted redirecting({memory_file("f", "f"), memory_file("full/x", "x"), memory_dir("empty")}, {.redirect_dir = true});
  EXPECT_EQ(code(redirecting.rename("empty", "full")), ENOTEMPTY);
  EXPECT_EQ(code(redirecting.rename("empty", "f")), ENOTDIR);
  EXPECT_EQ(redirecting.upper(), Tree());
}

TEST(Rename, OntoAnotherNameOfTheSameFileDoesNothing) {
  Mounted m;
  ASSERT_EQ(code(m.write("a", "x")), 0);
  ASSERT_EQ(code(m.link("a", "b")), 0);
  ASSERT_EQ(code(m.rename("a", "b")), 0);
  EXPECT_EQ(m.merged(), (Tree{{"a", "x"}, {"b", "x"}}));
}

TEST(Rename, ExchangesALowerFileWithANewDirectory) {
  Mounted m({memory_file("f", "x")});
  ASSERT_EQ(code(m.mkdir("d")), 0);
  const Ino d = m.ino("d");
  ASSERT_EQ(code(m.rename("f", "d", RENAME_EXCHANGE)), 0);
  EXPECT_EQ(m.merged(), (Tree{{"d", "x"}, {"f", "/"}}));
  EXPECT_EQ(m.ino("f"), d);
}

TEST(Rename, KeepsTheReplacedFileForThoseWhoHaveItOpen) {
  Mounted m;
  ASSERT_EQ(code(m.write("a", "a")), 0);
  ASSERT_EQ(code(m.write("b", "b")), 0);
  const Ino b = m.ino("b");
  const Handle handle = *m.open("b", O_RDWR);
  ASSERT_EQ(code(m.rename("a", "b")), 0);
  EXPECT_EQ(m.read_through(handle), "b");
  EXPECT_TRUE(m.overlay().setattr(b, {.mode = 0600, .size = 0}, handle));
  EXPECT_EQ(*m.read("b"), "a");
}

// --- the dialects

TEST(Dialects, TheFileDialectHidesItsOwnNamesAndRefusesThem) {
  Mounted m({memory_file("d/f", "x")}, {.force_file_whiteouts = true});
  ASSERT_EQ(code(m.unlink("d/f")), 0);
  EXPECT_EQ(m.upper(), (Tree{{"d", "/"}, {"d/.wh.f", ""}}));
  EXPECT_THAT(*m.names("d"), IsEmpty());
  EXPECT_EQ(code(m.look("d/.wh.f")), ENOENT);
  EXPECT_EQ(code(m.mknod("d/.wh.g", S_IFREG | 0644)), EINVAL);
  m.remount();
  EXPECT_EQ(code(m.look("d/f")), ENOENT);
  ASSERT_EQ(code(m.write("d/f", "new")), 0);
  EXPECT_EQ(m.upper(), (Tree{{"d", "/"}, {"d/f", "new"}}));
}

TEST(Dialects, AnUpperOfAnotherDialectIsReadAsItWasMeant) {
  Mounted m({memory_file("d/f", "x"), memory_file("o/f", "x")});
  m.dir().write("upper/d/.wh.f", "");
  m.dir().write("upper/o/.wh..wh..opq", "");
  m.remount();
  EXPECT_EQ(m.merged(), (Tree{{"d", "/"}, {"o", "/"}}));
  ASSERT_EQ(code(m.write("d/f", "new")), 0);
  EXPECT_EQ(m.merged(), (Tree{{"d", "/"}, {"d/f", "new"}, {"o", "/"}}));
}

TEST(Dialects, WithDevicesAUserMayHaveNamesThatLookLikeWhiteouts) {
  Mounted m({memory_file("d/f", "x")});
  ASSERT_EQ(code(m.write("d/.wh.mine", "text")), 0);
  EXPECT_EQ(code(m.write("d/.wh.f", "text")), EINVAL);  // it would hide the lower's f from others
  m.remount();
  EXPECT_EQ(m.merged(), (Tree{{"d", "/"}, {"d/.wh.mine", "text"}, {"d/f", "x"}}));
}

// --- xattrs and attributes

TEST(Xattrs, HideTheOverlaysOwnAndEscapeThoseOfOverlaysInside) {
  Mounted m({memory_file("f", "x")});
  const Ino f = m.ino("f");
  ASSERT_EQ(code(m.chmod("f", 0600)), 0);
  EXPECT_THAT(*m.overlay().listxattr(f), IsEmpty());
  EXPECT_EQ(code(m.overlay().setxattr(f, "user.containers.override_stat", "0:0:4755", 0, false)), EPERM);
  EXPECT_EQ(code(m.overlay().getxattr(f, "user.containers.override_stat")), ENODATA);

  ASSERT_EQ(code(m.overlay().setxattr(f, "user.overlay.opaque", "y", 0, false)), 0);

  EXPECT_THAT(*m.overlay().listxattr(f), ElementsAre("user.overlay.opaque"));
  EXPECT_EQ(*m.overlay().getxattr(f, "user.overlay.opaque"), "y");
  const Fd raw = *sys::open(m.dir() / "upper/f", O_RDONLY);
  EXPECT_EQ(*sys::get_xattr(raw.ref(), "user.overlay.overlay.opaque"), "y");
  ASSERT_EQ(code(m.overlay().removexattr(f, "user.overlay.opaque")), 0);
  EXPECT_EQ(code(m.overlay().removexattr(f, "user.overlay.opaque")), ENODATA);
}

TEST(Xattrs, AreNotSupportedWhenTurnedOff) {
  Mounted m({memory_file("f", "x")}, {.xattrs = false});
  EXPECT_EQ(code(m.overlay().getxattr(m.ino("f"), "user.x")), ENOTSUP);
  EXPECT_EQ(code(m.overlay().listxattr(m.ino("f"))), ENOTSUP);
  const std::uint64_t ino = m.attr("f").ino;
  ASSERT_EQ(code(m.chmod("f", 0600)), 0);
  m.forget_all();
  EXPECT_EQ(m.attr("f").ino, ino);
}

TEST(Setattr, DropsSuidAndSgidWhenToldTo) {
  Mounted m({memory_file("f", "text", 06755), memory_file("g", "text", 02644)});
  EXPECT_EQ(m.overlay().setattr(m.ino("f"), {.size = 1, .kill_suidgid = true}, {})->mode, S_IFREG | 0755);
  EXPECT_EQ(m.overlay().setattr(m.ino("g"), {.size = 1, .kill_suidgid = true}, {})->mode, S_IFREG | 02644);
  ASSERT_EQ(code(m.chmod("f", 04755)), 0);
  const Handle handle = *m.open("f", O_RDWR);
  ASSERT_TRUE(m.overlay().write(handle, std::as_bytes(std::span("x", 1)), 0, true));
  EXPECT_EQ(m.attr("f").mode, S_IFREG | 0755);
}

TEST(Write, DropsSuidThatWasSetAfterAnEarlierWrite) {
  Mounted m({memory_file("f", "text")});
  const Handle handle = *m.open("f", O_RDWR);
  const auto write = [&] { return m.overlay().write(handle, std::as_bytes(std::span("x", 1)), 0, true); };
  ASSERT_TRUE(write());
  ASSERT_EQ(code(m.chmod("f", 06755)), 0);
  ASSERT_TRUE(write());
  EXPECT_EQ(m.attr("f").mode, S_IFREG | 0755);
  ASSERT_EQ(code(m.chmod("f", 06755)), 0);
  ASSERT_EQ(code(m.overlay().fallocate(handle, 0, 0, 4096, true)), 0);
  EXPECT_EQ(m.attr("f").mode, S_IFREG | 0755);
}

}  // namespace
}  // namespace acetate::fs
