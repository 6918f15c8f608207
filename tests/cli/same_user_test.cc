#include "cli/same_user.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cdi.h"
#include "tests/support/temp_dir.h"

namespace acetate::cli {
namespace {

using ::testing::ElementsAre;

TEST(SameUser, IsAskedForByKeepId) {
  EXPECT_FALSE(*parse_userns("", 1000, 100));
  EXPECT_FALSE(*parse_userns("host", 1000, 100));
  const auto kept = parse_userns("keep-id", 1000, 100);
  ASSERT_TRUE(kept && *kept);
  EXPECT_EQ((*kept)->uid, 1000U);
  EXPECT_EQ((*kept)->gid, 100U);
  EXPECT_EQ((*parse_userns("keep-id:uid=5,gid=6", 1000, 100))->gid, 6U);
  for (const char* wrong : {"auto", "keep-id:uid=x", "keep-id:wibble=1", "keep-idx"}) EXPECT_FALSE(parse_userns(wrong, 1, 1)) << wrong;
}

TEST(SameUser, HasALineUnlessOneIsThere) {
  const std::string passwd = "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/:/bin/sh";

  EXPECT_EQ(with_line(passwd, 1000, "me"), passwd);
  EXPECT_EQ(with_line(passwd, 100, "me"), passwd + "\nme\n");
  EXPECT_EQ(with_line("", 0, "me"), "me\n");
  EXPECT_EQ(with_line("broken\n:\n", 0, "me"), "broken\n:\nme\n");
}

TEST(SameUser, BringsHomeAndWorkOnce) {
  const test::TempDir dir;
  dir.mkdir("home");
  dir.mkdir("home/project");
  dir.mkdir("work");
  auto sources = [](const std::vector<sandbox::MountPoint>& mounts) {
    std::vector<std::string> all;
    for (const auto& mount : mounts) all.push_back(mount.source);
    return all;
  };
  const Person person{.name = "me", .home = dir / "home"};

  EXPECT_THAT(sources(home_and_work(person, dir / "home/project")), ElementsAre(dir / "home"));
  EXPECT_THAT(sources(home_and_work(person, dir / "work")), ElementsAre(dir / "home", dir / "work"));
  EXPECT_THAT(sources(home_and_work({.name = "me", .home = "/no/such"}, dir / "work")), ElementsAre(dir / "work"));
}

TEST(Cdi, GivesWhatADeviceConsistsOf) {
  const test::TempDir dir;
  dir.write("cdi/gpu.json", R"({"cdiVersion": "0.6.0", "kind": "vendor.com/gpu",
    "devices": [{"name": "0", "containerEdits": {"deviceNodes": [{"path": "/dev/gpu0", "permissions": "rw"}], "env": ["GPU=0"]}},
                {"name": "1", "containerEdits": {"deviceNodes": [{"path": "/dev/gpu1", "hostPath": "/dev/real1"}]}}],
    "containerEdits": {"mounts": [{"hostPath": "/usr/lib/gpu.so", "containerPath": "/usr/lib/gpu.so", "options": ["ro", "nosuid", "bind"]}]}})");
  sandbox::Spec spec;

  ASSERT_TRUE(add_cdi_device("vendor.com/gpu=1", spec, {dir / "absent", dir / "cdi"}));

  ASSERT_EQ(spec.devices.size(), 1U);
  EXPECT_EQ(spec.devices[0].source, "/dev/real1");
  EXPECT_EQ(spec.devices[0].target, "/dev/gpu1");
  ASSERT_EQ(spec.mounts.size(), 1U);
  EXPECT_FALSE(spec.mounts[0].writable);
  EXPECT_THAT(spec.mounts[0].options, ElementsAre("nosuid"));
  sandbox::Spec all;
  ASSERT_TRUE(add_cdi_device("vendor.com/gpu=all", all, {dir / "cdi"}));
  EXPECT_EQ(all.devices.size(), 2U);
  EXPECT_THAT(all.env, ElementsAre("GPU=0"));
  EXPECT_FALSE(add_cdi_device("vendor.com/gpu=7", spec, {dir / "cdi"}));
}

}  // namespace
}  // namespace acetate::cli
