#include "layers/whiteout.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/sys/call.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "tests/support/temp_dir.h"

namespace acetate {
namespace {

using test::TempDir;

class Failing final : public sys::Hook {
 public:
  Failing(sys::Call call, int code) : call_(call), code_(code), before_(sys::install(this)) {}
  ~Failing() override { sys::install(before_); }
  int before(sys::Call call) noexcept override { return call == call_ ? code_ : 0; }

 private:
  sys::Call call_;
  int code_;
  sys::Hook* before_;
};

int entries_of(const TempDir& dir) {
  int count = 0;
  const Fd fd = *sys::open(dir.path(), O_RDONLY | O_DIRECTORY);
  EXPECT_TRUE(sys::read_dir(fd.ref(), [&](const sys::DirEntry&) { return ++count, true; }));
  return count;
}

TEST(DecodeName, TellsTheFourKinds) {
  using Kind = DecodedName::Kind;
  EXPECT_EQ(decode_name("file").kind, Kind::ordinary);
  EXPECT_EQ(decode_name(".whfile").kind, Kind::ordinary);
  EXPECT_EQ(decode_name(".wh.file").kind, Kind::whiteout);
  EXPECT_EQ(decode_name(".wh.file").hides, "file");
  EXPECT_EQ(decode_name(".wh..hidden").hides, ".hidden");
  EXPECT_EQ(decode_name(".wh..wh..opq").kind, Kind::opaque);
  EXPECT_EQ(decode_name(".wh..wh.plnk").kind, Kind::bookkeeping);
  for (const char* none : {".wh.", ".wh..", ".wh..."})
    EXPECT_EQ(decode_name(none).kind, Kind::bookkeeping) << none;
}

TEST(PrivateXattr, HidesOursAndTheKernelsAndUnescapesTheNested) {
  for (const char* name : {"trusted.overlay.opaque", "user.overlay.redirect", "user.fuseoverlayfs.opaque",
                           "user.containers.override_stat", "security.fuseoverlayfs.override_stat"}) {
    EXPECT_TRUE(is_private_xattr(name)) << name;
    EXPECT_FALSE(visible_xattr(name)) << name;
  }
  EXPECT_FALSE(is_private_xattr("user.overlay.overlay.opaque"));
  EXPECT_EQ(visible_xattr("user.overlay.overlay.opaque"), "user.overlay.opaque");
  EXPECT_EQ(visible_xattr("trusted.overlay.overlay.overlay.opaque"), "trusted.overlay.overlay.opaque");
  EXPECT_EQ(visible_xattr("user.overlayed"), "user.overlayed");
}

TEST(PrivateXattr, StoresANestedOverlaysMarksSoThatTheyComeBack) {
  for (const char* name : {"user.overlay.opaque", "trusted.overlay.overlay.x", "security.capability"})
    EXPECT_EQ(visible_xattr(*stored_xattr(name)), name);
  EXPECT_FALSE(stored_xattr("user.fuseoverlayfs.opaque"));
  EXPECT_FALSE(stored_xattr("user.containers.override_stat"));
}

TEST(Probe, FindsWhatThisSystemAllowsAndLeavesNothing) {
  TempDir dir;
  const Fd work = dir.open();

  const WriteDialect dialect = *probe_write_dialect(work.ref());

  EXPECT_EQ(entries_of(dir), 0);
  ASSERT_TRUE(put_whiteout({work.ref(), "gone"}, dialect));
  const struct stat st = *sys::stat(FileAt{work.ref(), dialect.device_whiteout ? "gone" : ".wh.gone"});
  EXPECT_EQ(is_device_whiteout(st.st_mode, st.st_rdev), dialect.device_whiteout);
  EXPECT_TRUE(put_whiteout({work.ref(), "gone"}, dialect).error().is(EEXIST));
}

TEST(Probe, FallsBackWhereThingsAreForbidden) {
  TempDir dir;
  const Fd work = dir.open();
  WriteDialect dialect;
  {
    const Failing no_mknod(sys::Call::mknodat, EPERM);
    dialect = *probe_write_dialect(work.ref());
    EXPECT_FALSE(dialect.device_whiteout);
  }
  {
    const Failing no_xattr(sys::Call::setxattr, ENOTSUP);
    dialect.xattr_prefix = probe_write_dialect(work.ref())->xattr_prefix;
    EXPECT_EQ(dialect.xattr_prefix, "");
  }

  dir.mkdir("d");
  const Fd opened = *sys::open(dir / "d", O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(put_whiteout({work.ref(), "gone"}, dialect));
  ASSERT_TRUE(put_opaque(opened.ref(), dialect));
  EXPECT_TRUE(dir.exists(".wh.gone"));
  EXPECT_FALSE(dir.exists("gone"));
  EXPECT_TRUE(dir.exists("d/.wh..wh..opq"));
  dir.write("there", "");
  EXPECT_TRUE(put_whiteout({work.ref(), "there"}, dialect).error().is(EEXIST));
  EXPECT_TRUE(put_whiteout({work.ref(), std::string(252, 'x').c_str()}, dialect).error().is(ENAMETOOLONG));
}

TEST(Probe, ReportsAFullDiskInsteadOfADialect) {
  TempDir dir;
  const Fd work = dir.open();
  for (const auto call : {sys::Call::mknodat, sys::Call::mkdirat, sys::Call::setxattr}) {
    const Failing full(call, ENOSPC);
    EXPECT_TRUE(probe_write_dialect(work.ref()).error().is(ENOSPC)) << name_of(call);
  }
  EXPECT_EQ(entries_of(dir), 0);
}

TEST(Opacity, ByAMarkThatIsListedAndCannotBeReadIsNone) {
  const TempDir dir;
  const Fd fd = *sys::open(dir.path(), O_RDONLY | O_DIRECTORY);
  const std::vector<std::string> names{"trusted.overlay.opaque"};
  {
    const Failing failing(sys::Call::getxattr, ENODATA);
    const auto read = read_opacity(fd.ref(), names);
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(*read, Opacity::none);
  }
  const Failing failing(sys::Call::getxattr, EIO);
  EXPECT_TRUE(read_opacity(fd.ref(), names).error().is(EIO));
}

TEST(Opacity, IsReadInEachSpelling) {
  TempDir dir;
  const Fd fd = *sys::open(dir.path(), O_RDONLY | O_DIRECTORY);
  EXPECT_EQ(*read_opacity(fd.ref()), Opacity::none);
  int tried = 0;
  for (const char* name : {"trusted.overlay.opaque", "user.overlay.opaque", "user.fuseoverlayfs.opaque"}) {
    if (!sys::set_xattr(fd.ref(), name, "y")) continue;
    ++tried;
    EXPECT_EQ(*read_opacity(fd.ref()), Opacity::opaque) << name;
    ASSERT_TRUE(sys::set_xattr(fd.ref(), name, "x"));
    EXPECT_EQ(*read_opacity(fd.ref()),
              std::string_view(name).starts_with("user.fuse") ? Opacity::none : Opacity::has_xattr_whiteouts);
    ASSERT_TRUE(sys::remove_xattr(fd.ref(), name));
  }
  if (tried == 0) GTEST_SKIP() << "no extended attributes here";
  const Failing io(sys::Call::listxattr, EIO);
  EXPECT_TRUE(read_opacity(fd.ref()).error().is(EIO));
}

}  // namespace
}  // namespace acetate
