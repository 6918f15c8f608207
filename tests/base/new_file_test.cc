#include "base/sys/new_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/sys/call.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "tests/support/temp_dir.h"

namespace acetate::sys {
namespace {

std::vector<std::string> names_in(const test::TempDir& tmp) {
  std::vector<std::string> names;
  const auto dir = open(tmp.path(), O_RDONLY | O_DIRECTORY);
  EXPECT_TRUE(read_dir(dir->ref(), [&](const DirEntry& entry) {
    names.emplace_back(entry.name);
    return true;
  }));
  std::ranges::sort(names);
  return names;
}

// Makes every call of one kind fail.
struct Without final : Hook {
  explicit Without(Call which, int error) : call(which), code(error), before_us(install(this)) {}
  ~Without() override { install(before_us); }
  int before(Call each) noexcept override { return each == call ? code : 0; }
  Call call;
  int code;
  Hook* before_us;
};

TEST(NewFile, IsSeenWholeOrNotAtAll) {
  const test::TempDir tmp;
  tmp.write("file", "old");
  auto file = NewFile::make(tmp / "file", 0644);
  ASSERT_TRUE(file);
  ASSERT_TRUE(write_full(file->ref(), "new"));
  EXPECT_EQ(*read_file(tmp / "file", 100), "old");
  ASSERT_TRUE(file->commit());
  EXPECT_EQ(*read_file(tmp / "file", 100), "new");
  EXPECT_EQ(names_in(tmp), std::vector<std::string>{"file"});
}

TEST(NewFile, GivenUpLeavesNothing) {
  const test::TempDir tmp;
  {
    auto file = NewFile::make(tmp / "file", 0644);
    ASSERT_TRUE(file);
    ASSERT_TRUE(write_full(file->ref(), "begun"));
  }
  EXPECT_TRUE(names_in(tmp).empty());
}

TEST(NewFile, ThatCannotBePublishedLeavesWhatWasThere) {
  const test::TempDir tmp;
  tmp.write("file", "old");
  for (const auto call : {Call::fsync, Call::linkat, Call::renameat2}) {
    auto file = NewFile::make(tmp / "file", 0644);
    ASSERT_TRUE(file);
    const Without hook(call, ENOSPC);
    EXPECT_TRUE(file->commit().error().is(ENOSPC)) << name_of(call);
  }
  EXPECT_EQ(*read_file(tmp / "file", 100), "old");
  EXPECT_EQ(names_in(tmp), std::vector<std::string>{"file"});
}

TEST(NewFile, DoesNotReplaceADevice) {
  auto file = NewFile::make("/dev/null", 0644);
  ASSERT_TRUE(file);
  ASSERT_TRUE(write_full(file->ref(), "gone"));
  ASSERT_TRUE(file->commit());
  EXPECT_TRUE(S_ISCHR(stat_following("/dev/null")->st_mode));
}

TEST(NewFile, IsNoDirectory) {
  const test::TempDir tmp;
  EXPECT_TRUE(NewFile::make(tmp.path(), 0644).error().is(EISDIR));
  EXPECT_TRUE(NewFile::make(tmp / "nosuch/file", 0644).error().is(ENOENT));
}

}  // namespace
}  // namespace acetate::sys
