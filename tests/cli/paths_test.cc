#include "cli/paths.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <map>

#include "base/sys/file.h"
#include "tests/support/temp_dir.h"

namespace acetate::cli {
namespace {

Environment of(std::map<std::string, std::string> variables) {
  return [variables](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

TEST(Paths, SayWhatToDoWhereNothingCanBeKept) {
  test::TempDir dir;
  dir.write("file", "");

  EXPECT_EQ(why_nothing_is_kept({.data = dir / "not/yet/made"}), std::nullopt);
  const auto why = why_nothing_is_kept({.data = dir / "file/acetate"});
  ASSERT_TRUE(why);
  EXPECT_NE(why->find("set ACETATE_ROOT"), std::string::npos) << *why;
}

TEST(Paths, FollowOurOwnVariablesBeforeXdgBeforeHome) {
  const auto own =
      paths_from(of({{"ACETATE_ROOT", "/r"}, {"ACETATE_CACHE", "/c"}, {"XDG_DATA_HOME", "/x"}}), 7);
  const auto xdg = paths_from(
      of({{"XDG_DATA_HOME", "/d"}, {"XDG_CACHE_HOME", "/c"}, {"XDG_RUNTIME_DIR", "/run/7"}, {"HOME", "/h"}}),
      7);
  const auto home = paths_from(of({{"HOME", "/h"}}), 7);

  ASSERT_TRUE(own && xdg && home);
  EXPECT_EQ(own->data, "/r");
  EXPECT_EQ(own->cache, "/c");
  EXPECT_EQ(own->runtime, "/tmp/acetate-7");
  EXPECT_EQ(xdg->data, "/d/acetate");
  EXPECT_EQ(xdg->cache, "/c/acetate");
  EXPECT_EQ(xdg->runtime, "/run/7/acetate");
  EXPECT_EQ(home->data, "/h/.local/share/acetate");
  EXPECT_EQ(home->cache, "/h/.cache/acetate");
}

TEST(Paths, GiveRootWithoutAHomeTheSystemsPlaces) {
  const auto paths = paths_from(of({}), 0);

  ASSERT_TRUE(paths);
  EXPECT_EQ(paths->data, "/var/lib/acetate");
  EXPECT_EQ(paths->cache, "/var/cache/acetate");
}

TEST(Paths, AreRefusedInWordsWhenThereIsNoHome) {
  const auto paths = paths_from(of({}), 7);

  ASSERT_FALSE(paths);
  EXPECT_TRUE(paths.error().message().starts_with("neither HOME nor ACETATE_ROOT is set"));
}

TEST(Paths, IgnoreARelativeXdgVariableButRefuseARelativeOneOfOurs) {
  const auto xdg = paths_from(of({{"XDG_DATA_HOME", "data"}, {"XDG_RUNTIME_DIR", "run"}, {"HOME", "/h"}}), 7);
  const auto own = paths_from(of({{"ACETATE_ROOT", "data"}, {"HOME", "/h"}}), 7);

  ASSERT_TRUE(xdg);
  EXPECT_EQ(xdg->data, "/h/.local/share/acetate");
  EXPECT_EQ(xdg->runtime, "/tmp/acetate-7");
  ASSERT_FALSE(own);
  EXPECT_EQ(own.error().message(), "ACETATE_ROOT=data is not an absolute path");
}

TEST(RuntimeDir, IsMadeForItsOwnerAlone) {
  test::TempDir tmp;
  Paths paths;
  paths.runtime = tmp / "run";

  ASSERT_TRUE(prepare_runtime_dir(paths));
  ASSERT_TRUE(prepare_runtime_dir(paths));

  const auto st = sys::stat(FileAt{kWorkingDir, paths.runtime.c_str()});
  ASSERT_TRUE(st);
  EXPECT_EQ(st->st_mode & 07777, 0700u);
}

TEST(RuntimeDir, IsRefusedWhenOthersCanEnterIt) {
  test::TempDir tmp;
  tmp.mkdir("run", 0755);
  Paths paths;
  paths.runtime = tmp / "run";

  const auto prepared = prepare_runtime_dir(paths);

  ASSERT_FALSE(prepared);
  EXPECT_TRUE(prepared.error().is(EPERM));
  EXPECT_NE(prepared.error().message().find("with mode 755; it must be yours and 0700"), std::string::npos);
}

TEST(RuntimeDir, IsRefusedWhenItIsASymlinkSomebodyPutThere) {
  test::TempDir tmp;
  tmp.mkdir("elsewhere", 0700);
  Paths paths;
  paths.runtime = tmp / "run";
  ASSERT_TRUE(sys::symlink("elsewhere", FileAt{kWorkingDir, paths.runtime.c_str()}));

  const auto prepared = prepare_runtime_dir(paths);

  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().message(), paths.runtime + " is not a directory");
}

}  // namespace
}  // namespace acetate::cli
