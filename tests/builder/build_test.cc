// Whole builds with a runner that needs no container: "touch PATH TEXT", "copydir PATH" and "fail CODE" are its commands.
#include "builder/build.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "builder/cache_mount.h"
#include "layers/image/image.h"
#include "tests/support/temp_dir.h"

namespace acetate::build {
namespace {

class FakeRunner : public Runner {
 public:
  explicit FakeRunner(std::string dir) : dir_(std::move(dir)) {}
  std::string kind() const override { return "fake"; }

  Result<RunOutcome> run(const RunStep& step, const std::vector<std::string>& lowers, const std::vector<ReadyMount>& with,
                         bool log_accesses, const OutputSink& output) override {
    mounts = with;
    ran.push_back(step.argv.back());
    layers_below.push_back(lowers.size());
    const std::string upper = fmt::format("{}/upper-{}", dir_, ran.size());
    TRY(sys::remove_tree({kWorkingDir, upper.c_str()}));
    TRY(sys::make_dirs(upper, 0755));
    std::istringstream words(step.argv.back());
    std::string command, path, text;
    words >> command >> path;
    std::getline(words >> std::ws, text);
    output("running " + command + "\n");
    RunOutcome outcome;
    if (command == "fail") outcome.exit.code = std::stoi(path);
    if (command == "touch") {
      const Fd file = TRY(sys::open(upper + "/" + path, O_WRONLY | O_CREAT, 0644));
      TRY(sys::write_full(file.ref(), std::string_view(text)));
    }
    // cp -a of a directory below, whose time a step that is recorded does not see.
    if (command == "copydir") {
      TRY(sys::make_dirs(upper + "/" + path, 0755));
      const timespec times[] = {kObservedDirTime, kObservedDirTime};
      if (log_accesses && ::utimensat(AT_FDCWD, (upper + "/" + path).c_str(), times, 0) != 0) return Error(errno);
    }
    outcome.upper = TRY(sys::open(upper, O_RDONLY | O_DIRECTORY));
    if (log_accesses) outcome.accessed = looks_at;
    return outcome;
  }

  std::vector<std::string> ran;
  std::vector<std::size_t> layers_below;
  std::vector<ReadyMount> mounts;  // of the latest run
  AccessedPaths looks_at;          // what every command says that it does

 private:
  std::string dir_;
};

class BuildTest : public testing::Test {
 protected:
  BuildTest() { dir_.mkdir("context"); }

  void dockerfile(std::string_view text) { dir_.write("context/Dockerfile", text); }

  BuildOptions options() const {
    return {.context_dir = dir_ / "context",
            .outputs = {{.dest = dir_ / "out"}},
            .build_dir = dir_ / "build",
            .images = {.dir = dir_ / "images"},
            .index_dir = dir_ / "index",
            .scratch_base = dir_ / "scratch"};
  }

  // The image's id, or the error.
  std::string build(const BuildOptions& options) {
    std::ostringstream log;
    Progress progress(log, Progress::Mode::plain);
    runner_.ran.clear();
    const auto image = acetate::build::build(options, runner_, progress);
    log_ = log.str();
    if (!image) return "error: " + image.error().message();
    return *image ? (*image)->config.str() : "no image";
  }
  std::string build() { return build(options()); }

  nlohmann::json config() {
    const auto image = image::open_image("oci:" + (dir_ / "out"), image::host_platform());
    if (!image) {
      ADD_FAILURE() << image.error().message();
      return {};
    }
    return nlohmann::json::parse(image->config.raw);
  }

  test::TempDir dir_;
  FakeRunner runner_{dir_ / "runs"};
  std::string log_;
  using Words = std::vector<std::string>;
};

constexpr std::string_view kThreeStages = R"(
FROM scratch AS one
COPY a.txt /a
RUN touch made 1
FROM scratch AS two
COPY b.txt /b
RUN touch made 2
FROM scratch
WORKDIR /w
COPY --from=one /made one
COPY --from=two /made two
ENV K=V
)";

TEST_F(BuildTest, BuildsAnImageOutOfThreeStages) {
  dockerfile(kThreeStages);
  dir_.write("context/a.txt", "a");
  dir_.write("context/b.txt", "b");

  const std::string id = build();

  EXPECT_TRUE(id.starts_with("sha256:")) << id;
  EXPECT_EQ(runner_.ran, (Words{"touch made 1", "touch made 2"}));
  const auto json = config();
  EXPECT_EQ(json["config"]["WorkingDir"], "/w");
  EXPECT_EQ(json["rootfs"]["diff_ids"].size(), 3U);
  EXPECT_EQ(json["history"].size(), 4U);
  EXPECT_EQ(json["history"][3]["empty_layer"], true);
}

TEST_F(BuildTest, TakesEverythingFromTheCacheTheSecondTime) {
  dockerfile(kThreeStages);
  dir_.write("context/a.txt", "a");
  dir_.write("context/b.txt", "b");
  const std::string first = build();

  EXPECT_EQ(build(), first);

  EXPECT_EQ(runner_.ran, Words{});
  EXPECT_NE(log_.find("CACHED"), std::string::npos);
}

TEST_F(BuildTest, RunsAgainOnlyWhatDependsOnAChangedFile) {
  dockerfile(kThreeStages);
  dir_.write("context/a.txt", "a");
  dir_.write("context/b.txt", "b");
  const std::string first = build();
  dir_.write("context/b.txt", "changed");
  BuildOptions how = options();
  how.explain = true;

  const std::string second = build(how);

  EXPECT_EQ(runner_.ran, Words{"touch made 2"});
  EXPECT_EQ(second, first) << "what the last stage copies is the same";
  EXPECT_NE(log_.find("not cached: 0: b.txt was "), std::string::npos) << log_;
}

TEST_F(BuildTest, GivesTheSameDigestsFromNothing) {
  dockerfile(kThreeStages);
  dir_.write("context/a.txt", "a");
  dir_.write("context/b.txt", "b");
  const std::string first = build();
  BuildOptions elsewhere = options();
  elsewhere.build_dir = dir_ / "build2";
  elsewhere.no_cache = true;

  EXPECT_EQ(build(elsewhere), first);
  EXPECT_EQ(runner_.ran.size(), 2U);
}

TEST_F(BuildTest, LeavesOutStagesNobodyNeeds) {
  dockerfile("FROM scratch AS unused\nRUN fail 1\nFROM scratch AS wanted\nRUN touch x 1\nFROM wanted\nRUN fail 2\n");
  BuildOptions how = options();
  how.target = "wanted";
  EXPECT_TRUE(build(how).starts_with("sha256:"));
  EXPECT_EQ(runner_.ran, Words{"touch x 1"});
}

TEST_F(BuildTest, MakesNoLayerOfAStepThatChangesNothing) {
  dockerfile("FROM scratch\nRUN nothing\nWORKDIR /\n");
  EXPECT_TRUE(build().starts_with("sha256:"));
  EXPECT_EQ(config()["rootfs"]["diff_ids"].size(), 0U);
  EXPECT_EQ(config()["history"].size(), 2U);
}

TEST_F(BuildTest, TellsWhichStepFailedWhereAndWhy) {
  dockerfile("FROM scratch\n\nRUN fail 3\n");
  const std::string error = build();
  EXPECT_EQ(error,
            "error: Dockerfile:3: RUN fail 3: the command exited with 3\n"
            "  3 | RUN fail 3\n"
            "the last it wrote:\nrunning fail\n");
  EXPECT_NE(log_.find("ERROR: the command exited with 3"), std::string::npos);
}

TEST_F(BuildTest, KeepsNoRecordOfAStepThatFailed) {
  dockerfile("FROM scratch\nRUN fail 3\n");
  build();
  build();
  EXPECT_EQ(runner_.ran, Words{"fail 3"});
}

TEST_F(BuildTest, BuildsOnAnImageOfItsOwnStore) {
  dockerfile("FROM scratch\nRUN touch base 1\nENV A=1\nONBUILD RUN touch trigger 1\n");
  BuildOptions how = options();
  how.outputs.clear();
  how.tags = {"my/base"};
  ASSERT_TRUE(build(how).starts_with("sha256:"));
  dockerfile("FROM my/base\nRUN touch own 1\n");

  const std::string id = build();

  ASSERT_TRUE(id.starts_with("sha256:")) << id;
  EXPECT_EQ(runner_.ran, (Words{"touch trigger 1", "touch own 1"}));
  EXPECT_EQ(config()["rootfs"]["diff_ids"].size(), 3U);
  EXPECT_EQ(config()["config"].contains("OnBuild"), false);
}

TEST_F(BuildTest, SaysWhereAMissingBaseWasNamed) {
  dockerfile("FROM no/such:image\n");
  const std::string error = build();
  EXPECT_TRUE(error.starts_with("error: Dockerfile:1: there is no image \"no/such:image\" here")) << error;
}

TEST_F(BuildTest, SurvivesADeathBeforeALayerIsPublished) {
  dockerfile("FROM scratch\nRUN touch x 1\nRUN touch y 2\n");
  class FailLinks : public sys::Hook {
   public:
    int before(sys::Call call) noexcept override { return call == sys::Call::linkat ? EIO : 0; }
  } no_links;
  sys::Hook* const others = sys::install(&no_links);
  const std::string error = build();
  sys::install(others);
  EXPECT_TRUE(error.starts_with("error: Dockerfile:2: ")) << error;

  EXPECT_TRUE(build().starts_with("sha256:"));
  EXPECT_EQ(runner_.ran.size(), 2U);
}

TEST_F(BuildTest, ClampsToSourceDateEpoch) {
  dockerfile("FROM scratch\nRUN touch x 1\n");
  BuildOptions how = options();
  how.times = {.kind = TimeRule::Kind::epoch, .epoch = 1706696430};
  ASSERT_TRUE(build(how).starts_with("sha256:"));
  EXPECT_EQ(config()["created"], "2024-01-31T10:20:30Z");
}

TEST_F(BuildTest, WritesAnArchive) {
  dockerfile("FROM scratch\nRUN touch x 1\n");
  BuildOptions how = options();
  how.outputs = {{.dest = dir_ / "image.tar", .archive = true}};
  how.tags = {"name:tag"};
  ASSERT_TRUE(build(how).starts_with("sha256:"));
  const auto image = image::open_image("oci-archive:" + (dir_ / "image.tar") + ":name:tag", image::host_platform());
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->layers.size(), 1U);
}

TEST_F(BuildTest, WritesAnArchiveThatDockerLoads) {
  dockerfile("FROM scratch\nRUN touch x 1\n");
  BuildOptions how = options();
  how.outputs = {{.type = Output::Type::docker, .dest = dir_ / "image.tar", .packing = {.compression = Compression::zstd}}};
  how.tags = {"name:tag"};
  ASSERT_TRUE(build(how).starts_with("sha256:"));
  const auto image = image::open_image("docker-archive:" + (dir_ / "image.tar") + ":name:tag", image::host_platform());
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->layers.size(), 1U);
}

TEST_F(BuildTest, PutsTheFilesOut) {
  dockerfile("FROM scratch\nRUN touch x 1\nWORKDIR /a/b\n");
  BuildOptions how = options();
  how.outputs = {{.type = Output::Type::local, .dest = dir_ / "files"}, {.type = Output::Type::tar, .dest = dir_ / "files.tar"}};

  EXPECT_EQ(build(how), "no image");

  EXPECT_EQ(*sys::read_file(dir_ / "files/x", 100), "1");
  EXPECT_TRUE(S_ISDIR(sys::stat_following(dir_ / "files/a/b")->st_mode));
  EXPECT_TRUE(image::open_image(dir_ / "files.tar", image::host_platform()));
}

TEST_F(BuildTest, MountsStagesAndTheContextIntoARun) {
  dir_.write("context/a.txt", "a");
  dockerfile("FROM scratch AS one\nRUN touch made 1\nFROM scratch\n"
             "RUN --mount=from=one,target=/one --mount=target=ctx,source=a.txt touch x 1\n");
  ASSERT_TRUE(build().starts_with("sha256:"));

  ASSERT_EQ(runner_.mounts.size(), 2U);
  EXPECT_EQ(runner_.mounts[0].is.target, "/one");
  EXPECT_EQ(runner_.mounts[0].lowers.size(), 1U);
  EXPECT_EQ(runner_.mounts[1].is.target, "/ctx");
  EXPECT_EQ(runner_.mounts[1].is.source, "/a.txt");

  dir_.write("context/other.txt", "not asked for");
  build();
  EXPECT_EQ(runner_.ran, Words{});
  dir_.write("context/a.txt", "changed");
  build();
  EXPECT_EQ(runner_.ran, Words{"touch x 1"});
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
  EXPECT_NE(build().find("the secret \"s\" is required and was not given: --secret id=s"), std::string::npos);
  EXPECT_EQ(runner_.ran, Words{});
}

TEST_F(BuildTest, CopiesNotAnewWhenWhatChangedBelowIsNotLookedAt) {
  dir_.write("context/a.txt", "a");
  dir_.write("context/b.txt", "1");
  const std::string text = "FROM scratch\nCOPY b.txt /below/b\nCOPY a.txt /dir/a\nWORKDIR /w\nRUN touch x 1\n";
  dockerfile(text);
  ASSERT_TRUE(build().starts_with("sha256:"));
  dir_.write("context/b.txt", "2");
  ASSERT_TRUE(build().starts_with("sha256:"));

  const auto cached = [&](std::string_view step) {
    const std::size_t next = log_.find('\n', log_.find(step)) + 1;
    return log_.substr(next, log_.find('\n', next) - next).ends_with("CACHED");
  };
  EXPECT_FALSE(cached("COPY b.txt")) << log_;
  EXPECT_TRUE(cached("COPY a.txt")) << log_;
  EXPECT_TRUE(cached("WORKDIR /w")) << log_;
  EXPECT_EQ(runner_.ran, Words{"touch x 1"}) << "a command may look at anything";

  // Where the destination is another thing, the copy is another one.
  dockerfile("FROM scratch\nCOPY <<x /dir/sub\nx\nCOPY a.txt /dir/a\n");
  ASSERT_TRUE(build().starts_with("sha256:"));
  EXPECT_FALSE(cached("COPY a.txt")) << log_;
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
  EXPECT_FALSE(too->is_new());
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

class RebuiltBaseTest : public BuildTest {
 protected:
  RebuiltBaseTest() { dir_.write("context/a", "1"); }

  // The same files, but younger.
  void base_of(std::int64_t time) {
    dockerfile("FROM scratch\nRUN touch base 1\n");
    BuildOptions how = options();
    how.outputs.clear();
    how.tags = {"my/base"};
    how.times = {.kind = TimeRule::Kind::epoch, .epoch = time};
    ASSERT_TRUE(build(how).starts_with("sha256:"));
  }
  // What ran on the first base, and what on the second.
  std::pair<Words, Words> runs_on_both(const std::string& text) {
    base_of(1'000'000);
    dockerfile(text);
    build();
    const Words first = runner_.ran;
    base_of(2'000'000);
    dockerfile(text);
    build();
    return {first, runner_.ran};
  }
};

TEST_F(RebuiltBaseTest, IsNoReasonToRunAgainWhatStandsOnItAlone) {
  EXPECT_EQ(runs_on_both("FROM my/base\nRUN touch made 1\n").second, Words{});
}

TEST_F(RebuiltBaseTest, LeavesNoOutputOlderThanACopyBelowIt) {
  const auto [first, second] = runs_on_both("FROM my/base\nCOPY a /a\nRUN touch made 1\n");
  EXPECT_EQ(second, first);
}

TEST_F(RebuiltBaseTest, LeavesNoOutputOlderThanWhatATracedStepLooksAt) {
  runner_.looks_at = {{"", kNamed}, {"a", kNamed | kOpened}};
  const auto [first, second] = runs_on_both("FROM my/base\nCOPY a /a\nRUN --network=none touch made 1\n");
  EXPECT_EQ(second, first);
}

TEST_F(BuildTest, HandsItsCacheToAnotherMachine) {
  dir_.write("context/a.txt", "a");
  dir_.write("context/b.txt", "b");
  dockerfile(kThreeStages);
  BuildOptions here = options();
  here.cache_to = {dir_ / "shared"};
  const std::string first = build(here);
  BuildOptions there = options();
  there.build_dir = dir_ / "there";
  there.cache_from = {dir_ / "shared"};
  EXPECT_EQ(build(there), first);
  EXPECT_EQ(runner_.ran, Words{});
}

TEST_F(BuildTest, TakesNothingFromACacheThatLies) {
  dockerfile("FROM scratch\nRUN touch made 1\n");
  BuildOptions here = options();
  here.cache_to = {dir_ / "shared"};
  const std::string first = build(here);
  // Another layer of the same size under that name.
  for (const auto& file : std::filesystem::directory_iterator(dir_ / "shared/layers")) {
    std::string text = *sys::read_file(file.path().string(), 1 << 20);
    text.back() = 'x';
    dir_.write("shared/layers/" + file.path().filename().string(), text);
  }
  BuildOptions there = options();
  there.build_dir = dir_ / "there";
  there.cache_from = {dir_ / "shared"};
  EXPECT_EQ(build(there), first);
  EXPECT_EQ(runner_.ran.size(), 1U);
  EXPECT_NE(log_.find("is not what its name says"), std::string::npos) << log_;

  dir_.write("shared/cache.json", R"({"acetate build cache": 1, "records": [{"inputs": 3}], "reads": [], "steps": []})");
  build(there);
  EXPECT_NE(log_.find("holds a record that is none"), std::string::npos) << log_;
  there.cache_from = {dir_ / "nowhere"};
  EXPECT_TRUE(build(there).starts_with("sha256:"));
}

TEST_F(BuildTest, DoesOneStageAnew) {
  dir_.write("context/a.txt", "a");
  dir_.write("context/b.txt", "b");
  dockerfile(kThreeStages);
  build();
  BuildOptions how = options();
  how.no_cache_stages = {"one"};
  build(how);
  EXPECT_EQ(runner_.ran, Words{"touch made 1"});
  how.no_cache_stages = {"on"};
  EXPECT_TRUE(build(how).starts_with("sha256:"));
  EXPECT_EQ(runner_.ran, Words{});
  EXPECT_NE(log_.find("did you mean one"), std::string::npos) << log_;
}

TEST_F(BuildTest, FetchesBaseImagesThatAreNotHereOnce) {
  dockerfile("FROM nowhere AS a\nRUN touch a 1\nFROM nowhere AS b\nRUN touch b 1\nFROM never AS c\nFROM a\nCOPY --from=b / /b\n");
  Words asked;
  BuildOptions how = options();
  how.fetch = [&](const std::string& name, const std::string& policy) -> Result<void> {
    asked.push_back(name + " " + policy);
    return fail(ENOENT, "no such registry");
  };
  EXPECT_NE(build(how).find("no such registry"), std::string::npos);
  EXPECT_EQ(asked, Words{"nowhere missing"});
  how.pull = "never";
  EXPECT_NE(build(how).find("there is no image \"nowhere\" here"), std::string::npos);
  EXPECT_EQ(asked.size(), 1U);
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
