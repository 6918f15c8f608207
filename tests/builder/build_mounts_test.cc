// RUN --mount: what is shown, whose it is, and what of it is in a key.
#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "builder/cache_mount.h"
#include "tests/builder/build_fixture.h"

namespace acetate::build {
namespace {

TEST_F(BuildTest, MountsStagesAndTheContextIntoARun) {
  dir_.write("context/a.txt", "a");
  dockerfile("FROM scratch AS one\nRUN touch made 1\nFROM scratch\n"
             "RUN --mount=from=one,target=/one --mount=target=ctx,source=a.txt touch x 1\n");
  ASSERT_TRUE(build().starts_with("sha256:"));

  ASSERT_EQ(runner_.mounts.size(), 2U);
  EXPECT_EQ(runner_.mounts[0].is.target, "/ctx") << "by where they lie";
  EXPECT_EQ(runner_.mounts[0].is.source, "/a.txt");
  EXPECT_EQ(runner_.mounts[1].is.target, "/one");
  EXPECT_EQ(runner_.mounts[1].lowers.size(), 1U);

  dir_.write("context/other.txt", "not asked for");
  build();
  EXPECT_EQ(runner_.ran, Words{});
  dir_.write("context/a.txt", "changed");
  build();
  EXPECT_EQ(runner_.ran, Words{"touch x 1"});
}

TEST_F(BuildTest, ShowsAPartOfTheContextWithTheTimesAndTheModeThatItHas) {
  dir_.write("context/src/a.c", "a");
  std::filesystem::permissions(dir_ / "context/src", std::filesystem::perms(01777));
  dockerfile("FROM scratch\nARG N\nRUN --mount=target=/src,source=src touch x 1\n");
  // A time back and forth, with the content that it had.
  const timespec old[] = {{1000, 1}, {1000, 1}}, later[] = {{2000, 2}, {2000, 2}};
  BuildOptions how = options();
  for (const timespec* times : {old, later, old, later}) {
    ASSERT_TRUE(sys::set_times({kWorkingDir, (dir_ / "context/src/a.c").c_str()}, times));
    how.build_args["N"] += "x";
    ASSERT_TRUE(build(how).starts_with("sha256:"));
    ASSERT_EQ(runner_.mounts.size(), 1U);
    const auto shown = open_layer(*parse_layer_spec(runner_.mounts[0].lowers.front()), dir_ / "index");
    ASSERT_TRUE(shown) << shown.error().message();
    const auto file = walk(*shown->layer, *RelPath::parse("src/a.c")), dir = walk(*shown->layer, *RelPath::parse("src"));
    ASSERT_TRUE(file && dir);
    EXPECT_EQ(file->attr.mtime.tv_sec, times->tv_sec);
    EXPECT_EQ(file->attr.mtime.tv_nsec, times->tv_nsec);
    EXPECT_EQ(dir->attr.mode & 07777, 01777U);
    EXPECT_EQ(runner_.mounts[0].is.source, "/src");
  }
  ASSERT_TRUE(sys::set_times({kWorkingDir, (dir_ / "context/src/a.c").c_str()}, old));
  build(how);
  EXPECT_EQ(runner_.ran, Words{}) << "a time alone is no reason to run";
}

TEST_F(BuildTest, TakesACacheMountOnceHoweverOftenAStepNamesIt) {
  dockerfile("FROM scratch\nRUN --mount=type=cache,id=a,target=/x,sharing=locked --mount=type=cache,id=a,target=/y,sharing=locked "
             "--mount=type=cache,id=a,target=/z touch x 1\n");
  ASSERT_TRUE(build().starts_with("sha256:"));
  ASSERT_EQ(runner_.mounts.size(), 3U);
  EXPECT_EQ(runner_.mounts[0].dir, runner_.mounts[1].dir);
  EXPECT_EQ(runner_.mounts[0].dir, runner_.mounts[2].dir);
}

TEST_F(BuildTest, TakesCacheMountsInOneOrderWhereverTheyLie) {
  dockerfile("FROM scratch\nRUN --mount=type=cache,id=b,target=/1,sharing=locked --mount=type=cache,id=a,target=/2,sharing=locked touch x 1\n");
  std::string built;
  std::thread other;
  {
    const auto held = CacheMount::open(dir_ / "build", "b", dockerfile::Mount::Sharing::locked);
    ASSERT_TRUE(held);
    other = std::thread([&] { built = build(); });
    // It waits for "b", and has "a": who wants that alone finds another directory.
    for (;;) {
      const auto probe = CacheMount::open(dir_ / "build", "a", dockerfile::Mount::Sharing::private_);
      if (probe && probe->dir().ends_with("/1")) break;
      std::this_thread::yield();
    }
  }
  other.join();
  EXPECT_TRUE(built.starts_with("sha256:")) << built;
}

TEST_F(BuildTest, KeepsCacheMountsOutOfKeysAndSecretsOutOfEverything) {
  dockerfile("FROM scratch\nRUN --mount=type=cache,target=/c --mount=type=secret,id=s --mount=type=secret,id=none touch x 1\n");
  BuildOptions how = options();
  how.secrets = {{"s", "hunter2-first"}};
  const std::string first = build(how);
  ASSERT_TRUE(first.starts_with("sha256:")) << first;
  ASSERT_EQ(runner_.mounts.size(), 2U) << "a secret nobody gave is left out";
  EXPECT_EQ(runner_.mounts[1].value, "hunter2-first");
  EXPECT_EQ(runner_.mounts[1].is.target, "/run/secrets/s");
  dir_.write("build/" + runner_.mounts[0].dir.substr(runner_.mounts[0].dir.find("mounts/")) + "/kept", "");

  how.secrets = {{"s", "hunter2-second"}};
  EXPECT_EQ(build(how), first);

  EXPECT_EQ(runner_.ran, Words{});
  EXPECT_EQ(sys::read_file(dir_ / "build/records.db", 64 << 20)->find("hunter2"), std::string::npos);
  EXPECT_EQ(log_.find("hunter2"), std::string::npos);
  EXPECT_EQ(config().dump().find("hunter2"), std::string::npos);
}

TEST_F(BuildTest, RunsAgainWhenAMountBelongsToSomebodyElse) {
  BuildOptions how = options();
  how.secrets = {{"s", "value"}};
  for (const std::string mount : {"type=cache,target=/c", "type=secret,id=s"})
    for (const char* owner : {"", ",uid=7", ",gid=7", ",mode=0444"}) {
      dockerfile("FROM scratch\nRUN --mount=" + mount + owner + " touch x 1\n");
      ASSERT_TRUE(build(how).starts_with("sha256:"));
      EXPECT_EQ(runner_.ran.size(), 1U) << mount << owner;
      build(how);
      EXPECT_EQ(runner_.ran.size(), 0U) << mount << owner;
    }
}

TEST_F(BuildTest, AsksForASecretThatIsRequired) {
  dockerfile("FROM scratch\nRUN --mount=type=secret,id=s,required touch x 1\n");
  EXPECT_NE(build().find("secret s: not found; it is required: --secret id=s,"), std::string::npos);
  EXPECT_EQ(runner_.ran, Words{});
}

TEST_F(BuildTest, GivesEachPrivateCacheMountItsOwnDirectory) {
  const auto first = CacheMount::open(dir_ / "build", "id", dockerfile::Mount::Sharing::private_);
  const auto second = CacheMount::open(dir_ / "build", "id", dockerfile::Mount::Sharing::private_);
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->dir(), second->dir());
  const auto shared = CacheMount::open(dir_ / "build", "other", dockerfile::Mount::Sharing::shared);
  const auto too = CacheMount::open(dir_ / "build", "other", dockerfile::Mount::Sharing::shared);
  ASSERT_TRUE(shared && too);
  EXPECT_EQ(shared->dir(), too->dir());
  EXPECT_TRUE(shared->is_new());
  EXPECT_TRUE(too->is_new()) << "nobody has given it a mode yet, and whoever was to do it may have been killed";
  ASSERT_TRUE(sys::chmod(sys::open(shared->dir(), O_PATH)->ref(), 0755));
  EXPECT_FALSE(CacheMount::open(dir_ / "build", "other", dockerfile::Mount::Sharing::shared)->is_new());
}

TEST_F(BuildTest, BeginsWithEmptyCacheMountsWhenEverythingIsDoneAnew) {
  dockerfile("FROM scratch\nRUN --mount=type=cache,target=/c touch x 1\nRUN --mount=type=cache,target=/c touch y 1\n");
  ASSERT_TRUE(build().starts_with("sha256:"));
  const std::string kept = runner_.mounts[0].dir + "/kept";
  ASSERT_TRUE(sys::write_file_atomically({kWorkingDir, kept.c_str()}, "", 0644));
  BuildOptions how = options();
  how.no_cache = true;
  {
    const auto used = CacheMount::open(dir_ / "build", "/c", dockerfile::Mount::Sharing::shared);
    build(how);
    EXPECT_TRUE(sys::stat_following(kept)) << "somebody else works in it";
  }
  build(how);
  EXPECT_FALSE(sys::stat_following(kept));

  MountIds emptied;
  EXPECT_TRUE(emptied.add("/c"));
  EXPECT_FALSE(emptied.add("/c")) << "what the build's first step left is for its second";
}

}  // namespace
}  // namespace acetate::build
