// What a build takes from the cache when its key is another: by what the layers hold, by what a step looked at, from another machine.
#include <filesystem>

#include "builder/base_state.h"
#include "builder/tree_digest.h"
#include "tests/builder/build_fixture.h"

namespace acetate::build {
namespace {

TEST_F(BuildTest, HandsCacheMountsOnWithTheBuildCacheWhenAskedTo) {
  dockerfile("FROM scratch\nRUN --mount=type=cache,target=/c --mount=type=cache,id=other,target=/d,uid=7,mode=0750 touch x 1\n");
  BuildOptions how = options();
  how.cache_to = {{.where = dir_ / "handed", .mounts = true}};
  ASSERT_TRUE(build(how).starts_with("sha256:"));
  EXPECT_TRUE(runner_.mounts[0].dir_is_new);
  std::filesystem::permissions(runner_.mounts[0].dir, std::filesystem::perms(0755));  // as a runner does then
  const auto put = [](const std::string& path, std::string_view text) { return sys::write_file_atomically({kWorkingDir, path.c_str()}, text, 0640); };
  ASSERT_TRUE(sys::make_dirs(runner_.mounts[0].dir + "/sub", 0755));
  ASSERT_TRUE(put(runner_.mounts[0].dir + "/sub/kept", "so far"));
  std::filesystem::permissions(runner_.mounts[1].dir, std::filesystem::perms(0750));
  dir_.write("context/again", "");
  dockerfile("FROM scratch\nRUN --mount=type=cache,target=/c --mount=type=cache,id=other,target=/d,uid=7,mode=0750 touch y 1\n");
  ASSERT_TRUE(build(how).starts_with("sha256:"));

  // Another machine.
  BuildOptions there = options();
  there.build_dir = dir_ / "there";
  there.cache_from = {{.where = dir_ / "handed"}};
  dockerfile("FROM scratch\nRUN --mount=type=cache,target=/c --mount=type=cache,id=other,target=/d,uid=7,mode=0750 touch z 1\n");
  BuildOptions asked = there;
  asked.build_dir = dir_ / "asked";
  asked.cache_from.front().mounts = true;
  build(there);
  EXPECT_TRUE(runner_.mounts[0].dir_is_new) << "nobody asked for it";
  build(asked);
  EXPECT_FALSE(runner_.mounts[0].dir_is_new);
  EXPECT_EQ(*sys::read_file(runner_.mounts[0].dir + "/sub/kept", 100), "so far");
  EXPECT_EQ(sys::stat_following(runner_.mounts[0].dir + "/sub/kept")->st_mode & 07777U, 0640U);
  EXPECT_EQ(sys::stat_following(runner_.mounts[1].dir)->st_mode & 07777U, 0750U);

  // What is here stays, and a damaged one is said to be.
  ASSERT_TRUE(put(runner_.mounts[0].dir + "/sub/kept", "newer"));
  build(asked);
  EXPECT_EQ(*sys::read_file(dir_ / ("asked/mounts/" + Digest::of("/c").hex() + "/0/sub/kept"), 100), "newer");
  for (const auto& entry : std::filesystem::directory_iterator(dir_ / "handed/mounts")) std::filesystem::resize_file(entry.path(), 700);
  asked.build_dir = dir_ / "third";
  ASSERT_TRUE(build(asked).starts_with("sha256:"));
  EXPECT_NE(log_.find("--cache-from: the cache mount in"), std::string::npos) << log_;
  EXPECT_TRUE(runner_.mounts[0].dir_is_new) << "nothing half-made is used";
}

// A step that reads one of two files.
class TracedBuildTest : public BuildTest {
 protected:
  TracedBuildTest() {
    runner_.looks_at = {{"", kNamed}, {"src", kNamed}, {"src/read", kNamed | kOpened}, {"src/absent", kNamed}};
    dir_.write("context/read", "1");
    dir_.write("context/other", "1");
    dockerfile(kQuiet);
  }
  static constexpr std::string_view kQuiet = "FROM scratch\nCOPY . /src/\nRUN --network=none touch made 1\n";
};

TEST_F(TracedBuildTest, DoesNotRunAgainWhatLooksAtNothingThatChanged) {
  build();
  dir_.write("context/other", "2");
  build();
  EXPECT_EQ(runner_.ran, Words{});
  EXPECT_NE(log_.find("nothing of the 4 paths that this step looks at"), std::string::npos) << log_;
  // Found at once the next time.
  build();
  EXPECT_EQ(log_.find("paths that this step looks at"), std::string::npos) << log_;
}

TEST_F(TracedBuildTest, RunsAgainForWhatAStepLooksAt) {
  build();
  const auto runs_after = [&](const std::function<void()>& change) {
    change();
    build();
    return runner_.ran.size();
  };
  EXPECT_EQ(runs_after([&] { dir_.write("context/read", "2"); }), 1U);
  EXPECT_EQ(runs_after([&] { dir_.write("context/absent", ""); }), 1U);
  EXPECT_EQ(runs_after([&] { EXPECT_EQ(::chmod((dir_ / "context/read").c_str(), 0600), 0); }), 1U);
  EXPECT_EQ(runs_after([&] { dir_.write("context/third", ""); }), 0U);
  runner_.looks_at["src"] |= kListed;
  EXPECT_EQ(runs_after([&] { dir_.write("context/read", "3"); }), 1U);
  EXPECT_EQ(runs_after([&] { dir_.write("context/fourth", ""); }), 1U);
}

TEST_F(TracedBuildTest, SaysWhatHasChangedOfWhatAStepLooksAt) {
  build();
  dir_.write("context/read", "22");
  BuildOptions how = options();
  how.explain = true;
  build(how);
  EXPECT_NE(log_.find("of what the step looked at last time, /src/read was"), std::string::npos) << log_;
}

TEST_F(TracedBuildTest, SaysWhatAStepWithNetworkReadsAndWhatWouldSpareIt) {
  dockerfile("FROM scratch\nCOPY . /src/\nRUN touch made 1\n");
  BuildOptions how = options();
  how.explain = true;
  const auto says = [&](std::string_view words) { return log_.find(words) != std::string::npos; };
  build(how);
  EXPECT_TRUE(says("of what this build's steps have made it read /src/read\n")) << log_;
  build(how);
  EXPECT_EQ(runner_.ran, Words{});
  EXPECT_TRUE(says("of what this build's steps have made it read /src/read\n")) << log_;
  dir_.write("context/other", "2");
  build(how);
  EXPECT_EQ(runner_.ran.size(), 1U) << "an explanation is no reason to believe more";
  EXPECT_TRUE(says("not cached: the layers below have changed, since COPY . /src/\n")) << log_;
  EXPECT_TRUE(says("with RUN --network=none, or --trace-cache=on, it would be cached; so it would if /src/read were copied before it and the rest after it")) << log_;
  how.trace = TraceRule::always;
  dir_.write("context/other", "3");
  build(how);
  EXPECT_EQ(runner_.ran, Words{}) << "as it said";
  how.trace = TraceRule::without_network;
  dir_.write("context/read", "2");
  build(how);
  EXPECT_TRUE(says("of what the step looked at last time, /src/read was")) << log_;
  EXPECT_FALSE(says("it would be cached")) << log_;
}

TEST_F(TracedBuildTest, BelievesNothingOfAStepWithNetworkUnlessItIsTold) {
  dockerfile("FROM scratch\nCOPY . /src/\nRUN touch made 1\n");
  build();
  dir_.write("context/other", "2");
  build();
  EXPECT_EQ(runner_.ran.size(), 1U);
  BuildOptions how = options();
  how.trace = TraceRule::always;
  dir_.write("context/other", "3");
  build(how);
  dir_.write("context/other", "4");
  build(how);
  EXPECT_EQ(runner_.ran, Words{});
  how.trace = TraceRule::never;
  dir_.write("context/other", "5");
  build(how);
  EXPECT_EQ(runner_.ran.size(), 1U);
}

TEST_F(TracedBuildTest, MakesTheSameOfACopiedDirectoryAsWithoutARecord) {
  dockerfile("FROM scratch\nRUN --network=none copydir d\n");
  const std::string traced = build();
  EXPECT_EQ(config()["created"], "1970-01-01T00:00:01Z");
  BuildOptions how = options();
  how.trace = TraceRule::never;
  how.no_cache = true;
  EXPECT_EQ(build(how), traced);
}

TEST_F(TracedBuildTest, VerifiesWhatItWouldHaveBelieved) {
  build();
  BuildOptions how = options();
  how.trace = TraceRule::verify;
  dir_.write("context/other", "2");
  build(how);
  EXPECT_EQ(runner_.ran.size(), 1U);
  EXPECT_NE(log_.find("verified: the cache has the same"), std::string::npos) << log_;
}

TEST_F(BuildTest, DoesNotFailAStepForWhatCannotBeKeptOfIt) {
  dir_.write("context/a", "1");
  dockerfile("FROM scratch\nCOPY a /a\nRUN touch made 1\n");
  const std::string first = build();
  BuildOptions how = options();
  how.build_dir = dir_ / "build2";
  // Nothing can be read or written where the digests of a layer's files are kept.
  for (const auto& file : std::filesystem::directory_iterator(dir_ / "build/contents"))
    std::filesystem::create_directories((dir_ / "build2/contents/") + file.path().filename().string());
  EXPECT_EQ(build(how), first);
  EXPECT_NE(log_.find("not all that was learned of this step is kept: "), std::string::npos) << log_;
}

TEST_F(BuildTest, RunsNothingAgainForAMountOfAStageThatShowsTheSame) {
  dir_.write("context/other", "1");
  dockerfile("FROM scratch AS one\nCOPY other /\nCOPY <<EOF /part/file\nx\nEOF\nFROM scratch\nRUN --mount=from=one,source=/part,target=/m touch made 1\n");
  build();
  dir_.write("context/other", "2");
  build();
  EXPECT_EQ(runner_.ran, Words{});
  dockerfile("FROM scratch AS one\nCOPY other /\nCOPY <<EOF /part/file\ny\nEOF\nFROM scratch\nRUN --mount=from=one,source=/part,target=/m touch made 1\n");
  build();
  EXPECT_EQ(runner_.ran.size(), 1U);
}

TEST_F(BuildTest, HandsItsCacheToAnotherMachine) {
  dir_.write("context/a.txt", "a");
  dir_.write("context/b.txt", "b");
  dockerfile(kThreeStages);
  BuildOptions here = options();
  here.cache_to = {{dir_ / "shared"}};
  const std::string first = build(here);
  BuildOptions there = options();
  there.build_dir = dir_ / "there";
  there.cache_from = {{dir_ / "shared"}};
  EXPECT_EQ(build(there), first);
  EXPECT_EQ(runner_.ran, Words{});
}

TEST_F(TracedBuildTest, IsHandedOnByWhoTookItWithoutRunningAnything) {
  BuildOptions here = options();
  here.cache_to = {{dir_ / "shared"}};
  build(here);
  BuildOptions there = options();
  there.build_dir = dir_ / "there";
  there.cache_from = there.cache_to = here.cache_to;
  build(there);
  EXPECT_EQ(runner_.ran, Words{});
  // On a third machine, where what the step does not look at is another: the paths have come along.
  dir_.write("context/other", "2");
  BuildOptions third = there;
  third.build_dir = dir_ / "third";
  build(third);
  EXPECT_EQ(runner_.ran, Words{});
}

TEST_F(BuildTest, TellsWhatItDidWhileTheLayersAreThereAndMakesRoomAlsoWhenItFails) {
  dockerfile("FROM scratch\nRUN touch made 1\nRUN fail 3\n");
  BuildOptions how = options();
  how.cache_bytes = 1;
  std::size_t there = 0;
  how.report = [&](const BuildReport& report, LayerOpener& layers) {
    for (const StepReport& step : report.stages.at(0).steps)
      if (step.layer && layers.open(step.layer->spec)) ++there;
  };
  EXPECT_TRUE(build(how).starts_with("error: "));
  EXPECT_EQ(there, 1U);
  EXPECT_TRUE(std::filesystem::is_empty(dir_ / "build/layers"));
}

TEST_F(BuildTest, TellsNobodyTheValuesOfBuildArguments) {
  dockerfile("FROM scratch\nARG TOKEN\nRUN touch made 1\nRUN --network=none touch more 1\n");
  BuildOptions here = options();
  here.build_args = {{"TOKEN", "hunter2"}, {"http_proxy", "http://me:hunter3@proxy"}};
  here.cache_to = {{dir_ / "shared"}};
  build(here);
  const std::string index = dir_.read("shared/cache.json");
  EXPECT_EQ(index.find("hunter"), std::string::npos) << index;
  EXPECT_EQ(index.find("TOKEN"), std::string::npos) << index;
}

TEST_F(BuildTest, DoesNothingAnewForAnotherProxy) {
  dockerfile("FROM scratch\nRUN touch made 1\n");
  BuildOptions how = options();
  how.build_args = {{"http_proxy", "http://one"}};
  const std::string first = build(how);
  how.build_args = {{"http_proxy", "http://two"}};
  EXPECT_EQ(build(how), first);
  EXPECT_EQ(runner_.ran, Words{});
  // Unless the Dockerfile says that it matters.
  dockerfile("FROM scratch\nARG http_proxy\nRUN touch made 1\n");
  build(how);
  how.build_args = {{"http_proxy", "http://three"}};
  build(how);
  EXPECT_EQ(runner_.ran.size(), 1U);
}

TEST_F(BuildTest, HashesNothingBelowForWhoWantsNoCache) {
  dir_.write("context/a", "1");
  dockerfile("FROM scratch\nCOPY a /a\nRUN touch made 1\n");
  const auto hashed = [&] { return std::distance(std::filesystem::directory_iterator(dir_ / "build/contents"), {}); };
  BuildOptions how = options();
  how.no_cache = true;
  build(how);
  EXPECT_EQ(hashed(), 0);
  how.no_cache = false;
  how.trace = TraceRule::never;
  dir_.write("context/a", "2");
  build(how);
  EXPECT_EQ(hashed(), 0);
  dir_.write("context/a", "3");
  build();
  EXPECT_EQ(hashed(), 1);
}

TEST_F(BuildTest, DoesNotBelieveWhatWasFoundByContentBeforeItWasDoneAnew) {
  dir_.write("context/a", "1");
  dockerfile("FROM scratch\nCOPY a /a\nCOPY a /b\nRUN touch made 1\n");
  build();
  BuildOptions how = options();
  how.no_cache = true;
  build(how);
  dockerfile("FROM scratch\nCOPY a /b\nCOPY a /a\nRUN touch made 1\n");
  build();
  EXPECT_EQ(runner_.ran.size(), 1U);
}

TEST_F(BuildTest, LetsNoImageBorrowWhatAnotherOneIsKnownToBe) {
  const auto made = [&](const std::string& name) {
    dockerfile("FROM scratch\nCOPY <<f /" + name + "\ntext\nf\n");
    BuildOptions how = options();
    how.outputs = {{.dest = dir_ / name}};
    EXPECT_TRUE(build(how).starts_with("sha256:"));
    Cache cache = *Cache::open(dir_ / "build");
    return *base_state(*image::open_image("oci:" + (dir_ / name), image::host_platform()), cache);
  };
  const StageState honest = made("honest");
  StageState evil = made("evil");
  evil.layers[0].diff_id = honest.layers[0].diff_id;

  LayerOpener layers(dir_ / "index");
  ASSERT_TRUE(layers.tree(honest));
  EXPECT_FALSE(layers.tree(evil)) << "the same chain, of other bytes";
  ASSERT_TRUE(layers.open(evil.layers[0].spec));
  EXPECT_FALSE(layers.open(evil.layers[0].spec, evil.layers[0].diff_id)) << "open already, without a claim";
  EXPECT_TRUE(layers.tree(honest));
}

TEST_F(BuildTest, HashesNoFurtherForNobody) {
  dockerfile("FROM scratch\nCOPY <<f /f\ntext\nf\n");
  ASSERT_TRUE(build().starts_with("sha256:"));
  Cache cache = *Cache::open(dir_ / "build");
  const StageState state = *base_state(*image::open_image("oci:" + (dir_ / "out"), image::host_platform()), cache);
  LayerOpener layers(dir_ / "index");
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = tree_digest(state, layers, cache, stop.get_token());
  ASSERT_FALSE(stopped);
  EXPECT_TRUE(stopped.error().is(ECANCELED));
  EXPECT_TRUE(tree_digest(state, layers, cache)) << "and nothing was kept of it";
}

TEST_F(BuildTest, TakesNothingFromACacheThatLies) {
  dockerfile("FROM scratch\nRUN touch made 1\n");
  BuildOptions here = options();
  here.cache_to = {{dir_ / "shared"}};
  const std::string first = build(here);
  // Another layer of the same size under that name.
  for (const auto& file : std::filesystem::directory_iterator(dir_ / "shared/layers")) {
    std::string text = *sys::read_file(file.path().string(), 1 << 20);
    text.back() = 'x';
    dir_.write("shared/layers/" + file.path().filename().string(), text);
  }
  BuildOptions there = options();
  there.build_dir = dir_ / "there";
  there.cache_from = {{dir_ / "shared"}};
  EXPECT_EQ(build(there), first);
  EXPECT_EQ(runner_.ran.size(), 1U);
  EXPECT_NE(log_.find("is not what its name says"), std::string::npos) << log_;

  dir_.write("shared/cache.json", R"({"acetate build cache": 2, "records": [{"key": 3}]})");
  build(there);
  EXPECT_NE(log_.find("holds a record that is none"), std::string::npos) << log_;
  there.cache_from = {{dir_ / "nowhere"}};
  EXPECT_TRUE(build(there).starts_with("sha256:"));
}

TEST_F(BuildTest, TakesNoRunForAnotherWhoseBytesJsonCannotHold) {
  for (const char* text : {"caf\xef\xbf\xbd", "caf\xe9", "caf\xea"}) {
    dockerfile(fmt::format("FROM scratch\nRUN touch made {}\n", text));
    build();
    EXPECT_EQ(runner_.ran.size(), 1U) << text;
  }
}

TEST_F(BuildTest, TakesARunFromTheCacheWhenOtherLayersHoldTheSame) {
  dir_.write("context/a", "1");
  dockerfile("FROM scratch\nCOPY a /a\nCOPY a /b\nRUN touch made 1\n");
  build();
  dockerfile("FROM scratch\nCOPY a /b\nCOPY a /a\nRUN touch made 1\n");
  build();
  EXPECT_EQ(runner_.ran, Words{});
  EXPECT_NE(log_.find("the layers below are others, and all that is in them is the same"), std::string::npos) << log_;
  dockerfile("FROM scratch\nCOPY a /b\nCOPY a /c\nRUN touch made 1\n");
  build();
  EXPECT_EQ(runner_.ran.size(), 1U);
}

}  // namespace
}  // namespace acetate::build
