// When the same steps stand on a base that was made anew, or have another epoch: what is done again, and what times come of it.
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/builder/build_fixture.h"

namespace acetate::build {
namespace {

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
    base_of(1'000'000'000);
    dockerfile(text);
    build();
    const Words first = runner_.ran;
    base_of(2'000'000'000);
    dockerfile(text);
    build();
    return {first, runner_.ran};
  }
};

TEST_F(RebuiltBaseTest, IsNoReasonToRunAgainWhatStandsOnItAlone) {
  EXPECT_EQ(runs_on_both("FROM my/base\nRUN touch made 1\n").second, Words{});
}

TEST_F(RebuiltBaseTest, IsNoReasonToCopyAgainNorToRunWhatReadsTheCopy) {
  EXPECT_EQ(runs_on_both("FROM my/base\nCOPY a /d/a\nWORKDIR /w\nRUN touch made 1\n").second, Words{});
  runner_.looks_at = {{"", kNamed}, {"d/a", kNamed | kOpened}};
  EXPECT_EQ(runs_on_both("FROM my/base\nCOPY a /d/a\nRUN --network=none touch made 1\n").second, Words{});
}

TEST_F(RebuiltBaseTest, LeavesNothingOlderThanWhatThisBuildMadeBelowIt) {
  dir_.write("context/b", "1");
  const std::string text = "FROM my/base\nCOPY b /d/b\nCOPY a /e/a\nRUN touch made 1\n";
  base_of(1'000'000'000);
  dockerfile(text);
  build();
  base_of(2'000'000'000);
  dir_.write("context/b", "2");
  dockerfile(text);
  build();
  EXPECT_EQ(runner_.ran.size(), 1U);
  EXPECT_EQ(time_of("e/a"), 2'000'000'002);
  EXPECT_EQ(time_of("made"), 2'000'000'003);
  // What was done anew stands for what it replaced.
  base_of(2'100'000'000);
  dockerfile(text);
  build();
  EXPECT_EQ(runner_.ran, Words{});
  EXPECT_EQ(time_of("made"), 2'000'000'003);
}

// What was copied must not be older than the base's objects beside it.
TEST_F(RebuiltBaseTest, CopiesAgainWhatLandsAmongTheBasesFiles) {
  base_of(1'000'000'000);
  dockerfile("FROM my/base\nCOPY a /sub/\nCOPY a /\n");
  build();
  base_of(2'000'000'000);
  dockerfile("FROM my/base\nCOPY a /sub/\nCOPY a /\n");
  build();
  EXPECT_EQ(time_of("sub/a"), 1'000'000'001) << "nothing is there";
  EXPECT_EQ(time_of("a"), 2'000'000'001) << "the file that the base has is younger";
}

TEST_F(RebuiltBaseTest, CopiesAgainWhatWouldBeAsOldAsWhatIsBelow) {
  dockerfile("FROM scratch\nRUN touch x 1\nCOPY a /d/a\n");
  build();
  EXPECT_EQ(time_of("d/a"), 2);
  dockerfile("FROM scratch\nRUN touch y 1\nRUN touch x 1\nCOPY a /d/a\n");
  build();
  EXPECT_EQ(time_of("x"), 2);
  EXPECT_EQ(time_of("d/a"), 3);
}

// Steps with an epoch, on one machine and, with nothing to go by, on another.
class OldBaseTest : public BuildTest {};

// What writes zip files refuses a time before 1980, and many an image is dated 1970, or the year 1.
TEST_F(OldBaseTest, MakesNothingOlderThanWhatAZipFileCanSay) {
  constexpr std::int64_t kFirstOfZip = 315532800;
  dir_.write("context/a", "1");
  dockerfile("FROM scratch\nRUN touch base 1\n");
  BuildOptions how = options();
  how.outputs.clear();
  how.tags = {"my/base"};
  how.times = {.kind = TimeRule::Kind::epoch, .epoch = 0};
  ASSERT_TRUE(build(how).starts_with("sha256:"));
  dockerfile("FROM my/base\nCOPY a /\nRUN touch made 1\n");
  ASSERT_TRUE(build().starts_with("sha256:"));
  EXPECT_EQ(time_of("base"), 0);
  EXPECT_EQ(time_of("a"), kFirstOfZip + 1);
  EXPECT_GT(time_of("made"), kFirstOfZip);
}

class EpochTest : public BuildTest {
 protected:
  std::string build_at(std::int64_t epoch, const std::string& build_dir = "build") {
    BuildOptions how = options();
    how.build_dir = dir_ / build_dir;
    how.times = {.kind = TimeRule::Kind::epoch, .epoch = epoch};
    return build(how);
  }
};

TEST_F(EpochTest, DoesNothingAnewForAnotherOneAndComesToTheSame) {
  dir_.write("context/a", "1");
  dir_.write("context/b", "1");
  dockerfile("FROM scratch AS one\nCOPY b /b\nRUN touch made 1\nFROM scratch\nWORKDIR /w\nCOPY --from=one /made /made\nCOPY a /a\n"
             "RUN --mount=from=one,source=/made,target=/m touch made 2\n");
  build_at(1'000'000);
  EXPECT_EQ(runner_.ran.size(), 2U);
  const std::string second = build_at(2'000'000);
  EXPECT_EQ(runner_.ran, Words{}) << log_;
  EXPECT_EQ(time_of("made"), 2'000'000);
  EXPECT_EQ(build_at(2'000'000, "elsewhere"), second);
  EXPECT_EQ(runner_.ran.size(), 2U);
  // And back, and when something has changed.
  const std::string back = build_at(1'500'000);
  EXPECT_EQ(runner_.ran, Words{});
  EXPECT_EQ(build_at(1'500'000, "third"), back);
  dir_.write("context/b", "2");
  const std::string changed = build_at(3'000'000);
  EXPECT_EQ(runner_.ran.size(), 1U) << "what the first stage has made is the same";
  EXPECT_EQ(build_at(3'000'000, "fourth"), changed);
}

TEST_F(EpochTest, StaysWithCompiledPythonToo) {
  dir_.write("context/a", "1");
  const timespec then[] = {{.tv_sec = 1'500'000}, {.tv_sec = 1'500'000}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (dir_ / "context/a").c_str(), then, 0), 0);
  dockerfile("FROM scratch\nRUN copydir d\nRUN compile x\nCOPY a /a\nRUN touch above 1\n");
  build_at(1'000'000);
  EXPECT_EQ(runner_.ran.size(), 3U);
  const std::string second = build_at(2'000'000);
  EXPECT_EQ(runner_.ran, Words{}) << log_;
  EXPECT_EQ(time_of("x.py"), 2'000'000);
  EXPECT_EQ(time_of("a"), 1'500'000) << "an old file of the context keeps its time";
  EXPECT_EQ(content_of("__pycache__/x.cpython-311.pyc").substr(8, 4), std::string("\x80\x84\x1e\0", 4));
  EXPECT_EQ(build_at(2'000'000, "elsewhere"), second);
}

TEST_F(EpochTest, IsNotForgottenWhereContentWasCutToIt) {
  dockerfile("FROM scratch AS one\nRUN dated made 1500000\nFROM scratch\nCOPY --from=one made /copied\nRUN touch x 1\n");
  build_at(1'000'000);
  EXPECT_EQ(time_of("copied"), 1'000'000);
  const std::string later = build_at(2'000'000);
  EXPECT_EQ(time_of("copied"), 1'500'000);
  EXPECT_EQ(runner_.ran.size(), 1U);
  EXPECT_EQ(build_at(2'000'000, "elsewhere"), later);
  const std::string between = build_at(1'700'000);
  EXPECT_EQ(build_at(1'700'000, "third"), between);
  const std::string before = build_at(500'000);
  EXPECT_EQ(build_at(500'000, "fourth"), before);
}

}  // namespace
}  // namespace acetate::build
