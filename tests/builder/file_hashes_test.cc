#include "builder/file_hashes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/sys/file.h"
#include "tests/builder/build_fixture.h"

namespace acetate::build {
namespace {

class FileHashesTest : public testing::Test {
 protected:
  FileHashesTest() { dir_.mkdir("context"); }
  std::shared_ptr<FileHashes> load() {
    const Fd context = *sys::open(dir_ / "context", O_PATH | O_DIRECTORY);
    return FileHashes::load(dir_ / "build", context.ref(), dir_ / "context");
  }
  struct stat of(std::string_view name) { return *sys::stat_following(dir_ / ("context/" + std::string(name))); }
  // Long after it was changed.
  void learn(FileHashes& hashes, std::string_view name) {
    const struct stat stat = of(name);
    hashes.learn(stat, {.tv_sec = stat.st_ctim.tv_sec + 60}, Digest::of(name));
  }
  std::string kept() { return std::filesystem::directory_iterator(dir_ / "build/hashes")->path().string(); }
  test::TempDir dir_;
};

TEST_F(FileHashesTest, KnowsAFileTheNextTime) {
  dir_.write("context/a", "1");
  dir_.write("context/b", "2");
  const auto first = load();
  EXPECT_EQ(first->find(of("a")), std::nullopt);
  learn(*first, "a");
  ASSERT_TRUE(first->save());
  const auto second = load();
  EXPECT_EQ(second->find(of("a")), Digest::of("a"));
  EXPECT_EQ(second->find(of("b")), std::nullopt);
  std::filesystem::rename(dir_ / "context/a", dir_ / "context/c");
  EXPECT_EQ(second->find(of("c")), std::nullopt) << "renaming changes the inode's time";
}

TEST_F(FileHashesTest, NotesNothingThatMayStillChangeAtTheSameTime) {
  dir_.write("context/a", "1");
  const auto hashes = load();
  struct stat stat = of("a");
  hashes->learn(stat, stat.st_ctim, Digest::of("a"));
  EXPECT_EQ(hashes->find(stat), std::nullopt);
  hashes->learn(stat, {.tv_sec = stat.st_ctim.tv_sec + 1}, Digest::of("a"));
  EXPECT_EQ(hashes->find(stat), std::nullopt);
  stat.st_mtim.tv_sec += 1000;
  hashes->learn(stat, {.tv_sec = stat.st_ctim.tv_sec + 60}, Digest::of("a"));
  EXPECT_EQ(hashes->find(stat), std::nullopt) << "from the future";
}

TEST_F(FileHashesTest, TellsAnyChange) {
  dir_.write("context/a", "1");
  const auto hashes = load();
  learn(*hashes, "a");
  const struct stat same = of("a");
  const auto known = [&](const std::function<void(struct stat&)>& change) {
    struct stat stat = same;
    change(stat);
    return hashes->find(stat).has_value();
  };
  EXPECT_TRUE(known([](struct stat&) {}));
  EXPECT_FALSE(known([](struct stat& stat) { ++stat.st_size; }));
  EXPECT_FALSE(known([](struct stat& stat) { ++stat.st_mtim.tv_nsec; }));
  EXPECT_FALSE(known([](struct stat& stat) { ++stat.st_ctim.tv_sec; }));
  EXPECT_FALSE(known([](struct stat& stat) { ++stat.st_ino; }));
  EXPECT_FALSE(known([](struct stat& stat) { ++stat.st_dev; }));
}

TEST_F(FileHashesTest, BeginsAnewWhereTheFileIsDamaged) {
  dir_.write("context/a", "1");
  const auto first = load();
  learn(*first, "a");
  ASSERT_TRUE(first->save());
  const std::string whole = *sys::read_file(kept(), 1 << 20);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    ASSERT_TRUE(sys::write_file_atomically({kWorkingDir, kept().c_str()}, damaged, 0600));
    ASSERT_EQ(load()->find(of("a")), std::nullopt) << at;
  }
  for (const std::size_t size : {whole.size() - 1, std::size_t{16}, std::size_t{3}, std::size_t{0}}) {
    ASSERT_TRUE(sys::write_file_atomically({kWorkingDir, kept().c_str()}, whole.substr(0, size), 0600));
    ASSERT_EQ(load()->find(of("a")), std::nullopt) << size;
  }
}

TEST_F(FileHashesTest, ForgetsContextsThatNobodyBuildsFrom) {
  dir_.write("context/a", "1");
  const auto hashes = load();
  learn(*hashes, "a");
  dir_.mkdir("build");
  dir_.mkdir("build/hashes");
  dir_.write("build/hashes/old", "");
  dir_.write("build/hashes/recent", "");
  const timespec long_ago[] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (dir_ / "build/hashes/old").c_str(), long_ago, 0), 0);
  ASSERT_TRUE(hashes->save());
  EXPECT_FALSE(dir_.exists("build/hashes/old"));
  EXPECT_TRUE(dir_.exists("build/hashes/recent"));
}

// Longer ago than there is doubt.
TEST_F(BuildTest, SeesAChangeThatKeepsSizeAndTime) {
  dir_.write("context/a", "1");
  const timespec then[] = {{.tv_sec = 1'700'000'000}, {.tv_sec = 1'700'000'000}};
  const auto dated = [&] { return ::utimensat(AT_FDCWD, (dir_ / "context/a").c_str(), then, 0) == 0; };
  ASSERT_TRUE(dated());
  const std::time_t begin = std::time(nullptr);
  while (std::time(nullptr) < begin + 4) ::usleep(50'000);
  dockerfile("FROM scratch\nCOPY a /\n");
  const std::string first = build();
  ASSERT_TRUE(dir_.exists("build/hashes"));
  EXPECT_EQ(build(), first);
  dir_.write("context/a", "2");
  ASSERT_TRUE(dated());
  EXPECT_NE(build(), first);
  EXPECT_EQ(content_of("a"), "2");
}

}  // namespace
}  // namespace acetate::build
