#include "builder/build.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/sys/call.h"
#include "base/base64.h"
#include "builder/cache_mount.h"
#include "layers/stack.h"
#include "tests/builder/build_fixture.h"

namespace acetate::build {
namespace {

TEST_F(BuildTest, LooksForADockerfileInSmallLettersToo) {
  dir_.write("context/dockerfile", "FROM scratch\nLABEL small=1\n");
  ASSERT_TRUE(build().starts_with("sha256:"));
  EXPECT_EQ(config()["config"]["Labels"]["small"], "1");
}

TEST_F(BuildTest, CopiesASocketAsAnEmptyFile) {
  ASSERT_TRUE(sys::mknod({kWorkingDir, (dir_ / "context/s").c_str()}, S_IFSOCK | 0600, 0));
  dockerfile("FROM scratch\nCOPY . /all/\n");
  BuildOptions how = options();
  how.outputs = {{.type = Output::Type::local, .dest = dir_ / "files"}};
  build(how);
  EXPECT_TRUE(std::filesystem::is_regular_file(dir_ / "files/all/s"));
}

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
            "error: process \"/bin/sh -c fail 3\" did not complete successfully: exit code: 3\n"
            "Dockerfile:3\n"
            "  3 | RUN fail 3\n"
            "the last it wrote:\nrunning fail\n");
  EXPECT_NE(log_.find("ERROR: process \"/bin/sh -c fail 3\" did not complete successfully: exit code: 3"), std::string::npos);
}

TEST_F(BuildTest, WarnsBeforeItTellsWhyItCannotBegin) {
  dockerfile("FROM scratch AS One\nBAD\n");
  EXPECT_TRUE(build().starts_with("error: dockerfile parse error on line 2: unknown instruction: BAD\n")) << build();
  EXPECT_NE(log_.find("StageNameCasing"), std::string::npos) << log_;
  dockerfile("FROM --platform=$BULIDPLATFORM scratch\n");
  EXPECT_TRUE(build().starts_with("error: empty platform value from expression $BULIDPLATFORM (did you mean BUILDPLATFORM?)\n")) << build();
  EXPECT_NE(log_.find("UndefinedArgInFrom"), std::string::npos) << log_;
}

TEST_F(BuildTest, KeepsNoRecordOfAStepThatFailed) {
  dockerfile("FROM scratch\nRUN fail 3\n");
  build();
  build();
  EXPECT_EQ(runner_.ran, Words{"fail 3"});
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
  EXPECT_NE(error.find("\nDockerfile:2\n"), std::string::npos) << error;

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

TEST_F(BuildTest, SaysOfEachLayerOfItsOwnWhichEpochItWasWrittenWithWhenAskedTo) {
  BuildOptions base = options();
  base.outputs = {{.type = Output::Type::image}};
  base.tags = {"base"};
  dockerfile("FROM scratch\nRUN touch x 1\n");
  ASSERT_TRUE(build(base).starts_with("sha256:"));
  dockerfile("FROM base\nRUN touch y 1\n");
  BuildOptions how = options();
  how.times = {.kind = TimeRule::Kind::epoch, .epoch = 1706696430};
  const auto annotations = [&](bool asked) {
    how.outputs.front().packing.tells_epoch = asked;
    std::vector<std::string> found;
    const std::string id = build(how);
    EXPECT_TRUE(id.starts_with("sha256:")) << id;
    const auto image = image::open_image("oci:" + (dir_ / "out"), image::host_platform());
    const auto manifest = nlohmann::json::parse(*sys::read_file(dir_ / "out/blobs/sha256/" + image->manifest_digest->hex(), 1 << 20));
    for (const auto& layer : manifest["layers"])
      found.push_back(layer.contains("annotations") ? layer["annotations"]["buildkit/rewritten-timestamp"].get<std::string>() : "");
    return found;
  };
  EXPECT_EQ(annotations(true), (Words{"", "1706696430"}));
  EXPECT_EQ(annotations(false), (Words{"", ""}));
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

TEST_F(BuildTest, ReadsNothingOfTheHostForAContextThatNamesIt) {
  dir_.write("secret", "UNKNOWN hunter2\n");
  std::filesystem::create_symlink(dir_ / "secret", dir_ / "context/Dockerfile");
  EXPECT_EQ(build().find("hunter2"), std::string::npos) << build();
  BuildOptions how = options();
  for (const std::string& named : {dir_ / "context/Dockerfile", dir_ / "context/x/../Dockerfile"}) {
    how.dockerfile = named;
    EXPECT_EQ(build(how).find("hunter2"), std::string::npos) << build(how);
  }
  std::filesystem::create_directory_symlink(dir_.path(), dir_ / "context/up");
  how.dockerfile = dir_ / "context/up/secret";
  EXPECT_EQ(build(how).find("hunter2"), std::string::npos) << build(how);

  std::filesystem::remove(dir_ / "context/Dockerfile");
  ASSERT_EQ(::mkfifo((dir_ / "context/Dockerfile").c_str(), 0666), 0);
  EXPECT_NE(build().find("is no regular file"), std::string::npos) << build();

  std::filesystem::remove(dir_ / "context/Dockerfile");
  dir_.write("context/real/Dockerfile", "FROM scratch\nLABEL a=b\n");
  std::filesystem::create_symlink("real/Dockerfile", dir_ / "context/Dockerfile");
  dir_.write("patterns", "[hunter2");
  std::filesystem::create_symlink(dir_ / "patterns", dir_ / "context/.dockerignore");
  EXPECT_TRUE(build().starts_with("sha256:")) << build();

  std::filesystem::create_symlink(dir_ / "context/real/Dockerfile", dir_ / "mine");
  how.dockerfile = dir_ / "mine";
  EXPECT_TRUE(build(how).starts_with("sha256:")) << "what the person names outside is the person's: " << build(how);
}

TEST_F(BuildTest, LetsADockerfileOfAnotherPlaceNameNoFilesOfThisMachine) {
  dir_.write("image/f", "");
  ASSERT_EQ(std::system(fmt::format("tar -C {0}/image -cf {0}/base.tar f", dir_.path()).c_str()), 0);
  const std::string text = fmt::format("FROM scratch\nCOPY --from={} /f /\n", dir_ / "base.tar");
  dockerfile(text);
  EXPECT_TRUE(build().starts_with("sha256:")) << build();
  ASSERT_EQ(std::system(fmt::format("tar -C {0}/context -cf {0}/context.tar .", dir_.path()).c_str()), 0);
  BuildOptions how = options();
  how.context_dir = dir_ / "context.tar";
  EXPECT_NE(build(how).find("names no files of this machine"), std::string::npos) << build(how);
  dir_.write("mine", text);
  how.dockerfile = dir_ / "mine";
  EXPECT_TRUE(build(how).starts_with("sha256:")) << build(how);
}

TEST_F(BuildTest, MakesAWorkingDirectoryForAUserWhomAnImageWithoutPasswdDoesNotKnow) {
  dockerfile("FROM scratch\nUSER root\nWORKDIR /a\nUSER app:5\nWORKDIR b\n");
  EXPECT_TRUE(build().starts_with("sha256:")) << build();
}

TEST_F(BuildTest, RefusesAWorkingDirectoryWhoseNameWouldDelete) {
  dockerfile("FROM scratch\nWORKDIR /.wh.etc\n");
  EXPECT_NE(build().find("/.wh.etc cannot be in an image"), std::string::npos) << build();
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

TEST_F(BuildTest, KeepsToTheEpochThatTheDockerfileItselfNames) {
  dockerfile("ARG SOURCE_DATE_EPOCH=86400\nFROM scratch\nLABEL a=b\n");
  ASSERT_TRUE(build().starts_with("sha256:"));
  EXPECT_EQ(config()["created"], "1970-01-02T00:00:00Z");
  BuildOptions how = options();
  how.build_args = {{"SOURCE_DATE_EPOCH", ""}};
  build(how);
  EXPECT_EQ(config()["created"], "1970-01-01T00:00:00Z") << "nobody's, so the logical one";
  dockerfile("ARG SOURCE_DATE_EPOCH=soon\nFROM scratch\n");
  EXPECT_NE(build().find("invalid SOURCE_DATE_EPOCH: soon"), std::string::npos) << build();
}

TEST_F(BuildTest, TakesTheEpochOfTheContextOrOfAnotherOne) {
  // A tarball's time is the newest in it, a directory has none.
  const auto tarball = [&](const std::string& path, const char* when) {
    const auto made = sys::run_captured({.argv = {"sh", "-c", "cd \"$1\" && touch -d \"$2\" * && tar -cf \"$3\" *", "sh", dir_ / "context", when, path}});
    ASSERT_TRUE(made && made->exit.ok());
  };
  dockerfile("FROM scratch\nARG SOURCE_DATE_EPOCH\nLABEL epoch=$SOURCE_DATE_EPOCH\n");
  tarball(dir_ / "context.tar", "1970-01-02 00:00:00Z");
  BuildOptions how = options();
  how.context_dir = dir_ / "context.tar";
  how.epoch = "context";
  ASSERT_TRUE(build(how).starts_with("sha256:")) << build(how);
  EXPECT_EQ(config()["created"], "1970-01-02T00:00:00Z");
  EXPECT_EQ(config()["config"]["Labels"]["epoch"], "86400");
  how.context_dir = dir_ / "context";
  ASSERT_TRUE(build(how).starts_with("sha256:"));
  EXPECT_EQ(config()["config"]["Labels"]["epoch"], "");
  dockerfile("ARG SOURCE_DATE_EPOCH=other\nFROM scratch\n");
  tarball(dir_ / "other.tar", "1970-01-03 00:00:00Z");
  how = options();
  how.contexts = {{"other", dir_ / "other.tar"}};
  ASSERT_TRUE(build(how).starts_with("sha256:")) << build(how);
  EXPECT_EQ(config()["created"], "1970-01-03T00:00:00Z");
  how.epoch = "";
  ASSERT_TRUE(build(how).starts_with("sha256:")) << build(how);
  EXPECT_NE(config()["created"], "1970-01-03T00:00:00Z") << "who says that there is none is believed";
}

TEST_F(BuildTest, WantsOnlyOneFetchOfAStageThatGivesTheEpoch) {
  dockerfile("ARG SOURCE_DATE_EPOCH=source\nFROM scratch AS source\nCOPY a /\nFROM scratch\n");
  EXPECT_TRUE(build().starts_with("error: SOURCE_DATE_EPOCH stage does not meet source-only requirements")) << build();
  dockerfile("ARG SOURCE_DATE_EPOCH=source\nFROM scratch AS source\nADD a /\nFROM scratch\n");
  EXPECT_TRUE(build().starts_with("error: SOURCE_DATE_EPOCH stage source must be a single HTTP(S) or Git ADD")) << build();
  dockerfile("ARG SOURCE_DATE_EPOCH=source\nFROM other AS source\nADD http://127.0.0.1/a /\nFROM scratch\n");
  EXPECT_TRUE(build().starts_with("error: SOURCE_DATE_EPOCH stage must use FROM scratch")) << build();
}

TEST_F(BuildTest, WarnsOfACacheThatCannotBeWrittenWhereItMayFail) {
  dir_.write("file", "no directory");
  dockerfile("FROM scratch\nLABEL a=b\n");
  BuildOptions how = options();
  how.cache_to = {{.where = dir_ / "file/cache"}};
  EXPECT_NE(build(how).find("--cache-to"), std::string::npos);
  how.cache_to[0].ignore_error = true;
  EXPECT_TRUE(build(how).starts_with("sha256:"));
  EXPECT_NE(log_.find("WARNING: --cache-to"), std::string::npos) << log_;
}

TEST_F(BuildTest, TellsProgramsWhatAWarningIsAbout) {
  dockerfile("FROM scratch AS Up\nLABEL a=b\n");
  std::ostringstream log;
  Progress progress(log, Progress::Mode::json);
  ASSERT_TRUE(acetate::build::build(options(), runner_, progress));
  const auto warning = nlohmann::json::parse(log.str().substr(0, log.str().find('\n'))).at("warnings").at(0);
  EXPECT_EQ(*base64_decode(warning.at("short").get<std::string>()), "StageNameCasing: Stage name 'Up' should be lowercase (line 1)");
  EXPECT_EQ(*base64_decode(warning.at("detail").at(0).get<std::string>()), "Stage names should be lowercase");
  EXPECT_EQ(warning.at("url"), "https://docs.docker.com/go/dockerfile/rule/stage-name-casing/");
  EXPECT_EQ(warning.at("range").at(0).at("start").at("line"), 1);
  EXPECT_EQ(warning.at("sourceInfo").at("filename"), "Dockerfile");
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

}  // namespace
}  // namespace acetate::build
