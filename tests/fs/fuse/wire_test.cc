// fs/fuse/wire.h: what is said to the kernel over libfuse's head.
#include "fs/fuse/wire.h"

#include <unistd.h>

#include "tests/fs/fuse/served.h"

namespace acetate::fs {
namespace {

constexpr std::uint32_t kAllowIdmap = 1U << 8;  // FUSE_ALLOW_IDMAP, of the upper half of the flags

std::uint32_t answered(bool wanted, std::uint32_t offered) {
  Mounted mounted(std::vector<MemoryEntry>(), {.durable = false});
  SessionOptions options = one_thread();
  options.idmapped = wanted;
  ServedOverlay served(mounted.overlay(), options);
  const std::uint32_t flags2 = served.kernel.init(0xffffffffU, offered).flags2;
  EXPECT_EQ(served.kernel.ask(FUSE_STATFS, FUSE_ROOT_ID).error, 0);
  return flags2;
}

TEST(Wire, AMountMayBeIdmappedWhereTheKernelOffersItAndItWasAskedFor) {
  EXPECT_EQ(answered(true, 0xffffffffU) & kAllowIdmap, kAllowIdmap);
  EXPECT_EQ(answered(true, ~kAllowIdmap) & kAllowIdmap, 0U);
  EXPECT_EQ(answered(true, 0) & kAllowIdmap, 0U);
  EXPECT_EQ(answered(false, 0xffffffffU) & kAllowIdmap, 0U);
}

TEST(Wire, TheIdsOfACallerAreTheOnesFileSystemsGoBy) {
  const auto ids = ids_told_by("Name:\tsh\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9\n");
  ASSERT_TRUE(ids);
  EXPECT_EQ(ids->uid, 4U);
  EXPECT_EQ(ids->gid, 8U);
  EXPECT_FALSE(ids_told_by("Name:\tsh\nUid:\t1\t2\t3\t4\n"));
  EXPECT_FALSE(ids_told_by("Uid:\t1\n"));
}

class Untold : public FuseTest {
 protected:
  // An access ACL that says what the mode says: rwxrwxr-x.
  int set_acl(std::uint64_t of) {
    std::string acl("\x02\0\0\0", 4);
    for (const char tag : {'\x01', '\x04', '\x20'})
      acl += std::string{tag, '\0', tag == '\x20' ? '\x05' : '\x07', '\0', '\xff', '\xff', '\xff', '\xff'};
    fuse_setxattr_in in{};
    in.size = static_cast<std::uint32_t>(acl.size());
    const std::string head = test::bytes_of(in).substr(0, FUSE_COMPAT_SETXATTR_IN_SIZE);
    return kernel().ask(FUSE_SETXATTR, of, head + test::name_bytes("system.posix_acl_access") + acl).error;
  }
};

// Once mounts may be idmapped, requests that make nothing do not say whose they are. root keeps sgid, a stranger loses it.
TEST_F(Untold, ACallerIsFoundByItsThread) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  serve({memory_file("a", "text", 02775), memory_file("b", "text", 02775)});
  const std::uint64_t a = node("a");
  const std::uint64_t b = node("b");
  kernel().uid = kernel().gid = static_cast<std::uint32_t>(-1);

  kernel().pid = ::getpid();
  const int set = set_acl(a);
  if (set == ENOTSUP) GTEST_SKIP() << "the file system of the temporary directory has no access control lists";
  ASSERT_EQ(set, 0);
  kernel().pid = 0;
  ASSERT_EQ(set_acl(b), 0);

  EXPECT_EQ(mounted().attr("a").mode & 07777, 02775U);
  EXPECT_EQ(mounted().attr("b").mode & 07777, 0775U);
}

}  // namespace
}  // namespace acetate::fs
