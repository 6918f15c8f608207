// fs/fuse/ops_attr.cc: attributes and extended attributes.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fs/fuse/statx.h"
#include "tests/fs/fuse/served.h"

namespace acetate::fs {
namespace {

using test::bytes_of;
using test::name_bytes;

class Attributes : public FuseTest {
 protected:
  test::FuseReply setattr(std::uint64_t of, fuse_setattr_in in) { return kernel().ask(FUSE_SETATTR, of, bytes_of(in)); }
  test::FuseReply getxattr(std::uint64_t of, std::string_view name, std::uint32_t size) {
    return kernel().ask(FUSE_GETXATTR, of, bytes_of(fuse_getxattr_in{size, 0}) + name_bytes(name));
  }
  test::FuseReply setxattr(std::uint64_t of, std::string_view name, std::string_view value) {
    struct {
      std::uint32_t size, flags;  // FUSE_COMPAT_SETXATTR_IN_SIZE: the form without FUSE_SETXATTR_EXT
    } in{static_cast<std::uint32_t>(value.size()), 0};
    return kernel().ask(FUSE_SETXATTR, of, bytes_of(in) + name_bytes(name) + std::string(value));
  }
};

TEST_F(Attributes, AreToldWithALongLife) {
  serve({memory_file("f", "12345", 0600)});

  const auto reply = kernel().ask(FUSE_GETATTR, node("f"), bytes_of(fuse_getattr_in{})).as<fuse_attr_out>();

  EXPECT_EQ(reply.attr.size, 5U);
  EXPECT_EQ(reply.attr_valid, 1000000000U);
}

TEST_F(Attributes, AreToldWithTheTimeOfBirthWhereItIsKnown) {
  serve({memory_file("f", "12345", 0600)});
  const std::uint64_t f = node("f");
  const std::string request(24, '\0');  // struct fuse_statx_in

  const auto unknown = kernel().ask(wire::kStatx, f, request).as<wire::StatxOut>();
  EXPECT_EQ(unknown.stat.mask, static_cast<std::uint32_t>(STATX_BASIC_STATS)) << "a layer in memory has no such time";
  EXPECT_EQ(unknown.stat.size, 5U);
  EXPECT_EQ(unknown.stat.mode, S_IFREG | 0600);
  EXPECT_EQ(unknown.attr_valid, 1000000000U);

  fuse_setattr_in in{};
  in.valid = FATTR_SIZE;
  in.size = 2;
  ASSERT_EQ(setattr(f, in).error, 0);
  struct statx copy {};
  ASSERT_EQ(::statx(AT_FDCWD, (mounted().dir() / "upper/f").c_str(), 0, STATX_BTIME, &copy), 0);
  if ((copy.stx_mask & STATX_BTIME) == 0) GTEST_SKIP() << "the file system of the temporary directory keeps no time of birth";
  const auto known = kernel().ask(wire::kStatx, f, request).as<wire::StatxOut>();
  EXPECT_EQ(known.stat.mask, static_cast<std::uint32_t>(STATX_BASIC_STATS | STATX_BTIME));
  EXPECT_EQ(known.stat.btime.seconds, copy.stx_btime.tv_sec);
  EXPECT_EQ(known.stat.btime.nanoseconds, copy.stx_btime.tv_nsec);
  EXPECT_EQ(known.stat.size, 2U);

  EXPECT_EQ(kernel().ask(wire::kStatx, 4711, request).error, ESTALE);
}

TEST(StatxOut, HasDevicesAndTimesBefore1970) {
  const auto out = statx_of({.mode = S_IFCHR | 0600, .rdev = makedev(259, 70000), .mtime = {-5, 7}, .btime = {-1, 0}}, 1.5);
  EXPECT_EQ(out.stat.rdev_major, 259U);
  EXPECT_EQ(out.stat.rdev_minor, 70000U);
  EXPECT_EQ(out.stat.mtime.seconds, -5);
  EXPECT_EQ(out.stat.mtime.nanoseconds, 7U);
  EXPECT_EQ(out.stat.mask & STATX_BTIME, static_cast<std::uint32_t>(STATX_BTIME));
  EXPECT_EQ(out.attr_valid, 1U);
  EXPECT_EQ(out.attr_valid_nsec, 500000000U);
}

TEST_F(Attributes, ChangeOneByOne) {
  serve({memory_file("f", "12345", 0600)});
  const std::uint64_t f = node("f");
  fuse_setattr_in in{};
  in.valid = FATTR_MODE;
  in.mode = S_IFREG | 0640;
  EXPECT_EQ(setattr(f, in).as<fuse_attr_out>().attr.mode, S_IFREG | 0640U);
  in = {};
  in.valid = FATTR_SIZE;
  in.size = 2;
  EXPECT_EQ(setattr(f, in).as<fuse_attr_out>().attr.size, 2U);
  in = {};
  in.valid = FATTR_MTIME;
  in.mtime = static_cast<std::uint64_t>(-86400LL);  // before 1970
  in.mtimensec = 5;
  const auto reply = setattr(f, in).as<fuse_attr_out>();
  EXPECT_EQ(static_cast<std::int64_t>(reply.attr.mtime), -86400);
  EXPECT_EQ(reply.attr.mtimensec, 5U);
  EXPECT_EQ(reply.attr.size, 2U);
  EXPECT_EQ(reply.attr.mode, S_IFREG | 0640U);
}

TEST_F(Attributes, SuidGoesWhenTheKernelSaysSo) {
  serve({memory_file("f", "12345", 06755)});
  fuse_setattr_in in{};
  in.valid = FATTR_SIZE | FATTR_KILL_SUIDGID;
  in.size = 1;

  const auto reply = setattr(node("f"), in).as<fuse_attr_out>();

  EXPECT_EQ(reply.attr.mode, S_IFREG | 0755U);
  EXPECT_EQ(reply.attr.size, 1U);
}

TEST_F(Attributes, ExtendedOnesAreAskedForTheirSizeFirst) {
  serve({memory_file("f", "")});
  const std::uint64_t f = node("f");
  const auto set = setxattr(f, "user.colour", "blue");
  if (set.error == ENOTSUP) GTEST_SKIP() << "the temporary directory has no extended attributes";
  ASSERT_EQ(set.error, 0);

  EXPECT_EQ(getxattr(f, "user.colour", 0).as<fuse_getxattr_out>().size, 4U);
  EXPECT_EQ(getxattr(f, "user.colour", 3).error, ERANGE);
  EXPECT_EQ(getxattr(f, "user.colour", 4).body, "blue");
  EXPECT_EQ(getxattr(f, "user.none", 100).error, ENODATA);
  const auto listed = kernel().ask(FUSE_LISTXATTR, f, bytes_of(fuse_getxattr_in{4096, 0}));
  EXPECT_EQ(listed.body, name_bytes("user.colour"));
  EXPECT_EQ(kernel().ask(FUSE_REMOVEXATTR, f, name_bytes("user.colour")).error, 0);
  EXPECT_EQ(getxattr(f, "user.colour", 0).error, ENODATA);
}

TEST_F(Attributes, AFileWithoutAnAclHasNone) {
  serve({memory_file("f", "")});

  EXPECT_EQ(getxattr(node("f"), "system.posix_acl_access", 0).error, ENODATA);
}

TEST_F(Attributes, ExtendedOnesCanBeTurnedOff) {
  SessionOptions options = one_thread();
  options.xattrs = false;
  serve({memory_file("f", "")}, options, {.durable = false, .xattrs = false});

  EXPECT_EQ(getxattr(node("f"), "user.x", 0).error, ENOSYS);
  EXPECT_EQ(setxattr(node("f"), "user.x", "1").error, ENOSYS);
}

TEST_F(Attributes, TheSpaceIsTheUppers) {
  serve({});

  const auto space = kernel().ask(FUSE_STATFS, FUSE_ROOT_ID).as<fuse_statfs_out>().st;

  EXPECT_GT(space.blocks, 0U);
  EXPECT_GE(space.namelen, 255U);
}

// The number changes when copy-up parts the names of a lower hard link, and attributes and listings are cached for ever.
TEST_F(Attributes, OfANameThatCopyUpPartsFromAHardLinkAreForgottenByTheKernelWithItsListing) {
  serve({memory_file("d/a", "one"), {.path = "d/b", .attr = {.mode = S_IFREG | 0644}, .hardlink_to = "d/a"}});
  const std::uint64_t d = node("d");
  const fuse_entry_out a = found(d, "a");
  kernel().notifications();

  handle(a.nodeid, O_RDWR);

  const auto told = kernel().notifications();
  ASSERT_EQ(told.size(), 2U);
  const auto attributes = told[0].as<fuse_notify_inval_inode_out>();
  EXPECT_EQ(told[0].error, FUSE_NOTIFY_INVAL_INODE);
  EXPECT_EQ(attributes.ino, a.nodeid);
  EXPECT_LT(attributes.off, 0);  // nothing of its cached data, which is true
  const auto listing = told[1].as<fuse_notify_inval_inode_out>();
  EXPECT_EQ(told[1].error, FUSE_NOTIFY_INVAL_INODE);
  EXPECT_EQ(listing.ino, d);
  EXPECT_EQ(listing.off, 0);
  EXPECT_NE(found(d, "a").attr.ino, a.attr.ino);
}

TEST_F(Attributes, ThatCopyUpKeepsAreNotForgotten) {
  serve({memory_file("d/a", "one")});
  const std::uint64_t d = node("d");
  handle(found(d, "a").nodeid, O_RDWR);
  EXPECT_EQ(kernel().notifications().size(), 0U);
}

}  // namespace
}  // namespace acetate::fs
