#include "cli/same_user.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(SameUser, IsIntroducedWhereNobodyElseHasSaidWhoThereIs) {
  const test::TempDir dir;
  dir.write("root/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
  dir.mkdir("made");
  const Person person{.name = "me", .home = "/home/me", .uid = 1000, .gid = 100};
  sandbox::Spec spec;
  spec.mounts = {{.source = "/my/passwd", .target = "/etc/passwd"}};

  ASSERT_TRUE(introduce(person, dir / "root", dir / "made", spec));

  ASSERT_EQ(spec.mounts.size(), 2U);
  EXPECT_EQ(spec.mounts[1].target, "/etc/group");
  EXPECT_EQ(dir.read("made/group"), "me:x:100:\n");
  EXPECT_FALSE(dir.exists("made/passwd"));
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

}  // namespace
}  // namespace acetate::cli
