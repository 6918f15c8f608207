#include "cli/mount_record.h"

#include <gtest/gtest.h>

#include "base/sys/process.h"
#include "tests/support/temp_dir.h"

namespace acetate::cli {
namespace {

TEST(MountRecord, IsNothingToWaitForWhereNothingWasMounted) {
  test::TempDir tmp;
  Paths paths;
  paths.runtime = tmp / "run";

  EXPECT_TRUE(wait_for_daemon(paths, "/mnt"));
}

TEST(MountRecord, IsWaitedForUntilWhoeverInheritedItHasEnded) {
  test::TempDir tmp;
  Paths paths;
  paths.runtime = tmp / "run";
  auto record = make_mount_record(paths, "/mnt");
  ASSERT_TRUE(record) << record.error().message();
  auto pipe = sys::make_pipe();
  ASSERT_TRUE(pipe);
  // It ends when the pipe does; what it leaves behind says that it had not been killed before.
  auto child = sys::spawn({.argv = {"sh", "-c", "read line; : >\"$0\"", tmp / "ended"},
                           .fds = {{pipe->read.ref(), 0}, {record->ref(), 3}}});
  ASSERT_TRUE(child);
  record->reset();
  pipe->write.reset();

  EXPECT_TRUE(wait_for_daemon(paths, "/mnt"));

  EXPECT_TRUE(tmp.exists("ended"));
  EXPECT_TRUE(wait_for_daemon(paths, "/mnt"));
  EXPECT_TRUE(child->wait());
}

TEST(MountRecord, OfADetachedMountDoesNotHoldUpTheNext) {
  test::TempDir tmp;
  Paths paths;
  paths.runtime = tmp / "run";
  const auto old = make_mount_record(paths, "/mnt");
  ASSERT_TRUE(old);

  EXPECT_TRUE(make_mount_record(paths, "/mnt"));
}

}  // namespace
}  // namespace acetate::cli
