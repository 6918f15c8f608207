#include "builder/sandbox/in_root.h"

#include <gtest/gtest.h>

#include "base/sys/file.h"
#include "builder/sandbox/exec_lookup.h"
#include "tests/support/temp_dir.h"

namespace acetate::sandbox {
namespace {

class InARoot : public ::testing::Test {
 protected:
  void link(const char* target, const std::string& name) {
    ASSERT_TRUE(sys::symlink(target, {kWorkingDir, (dir_ / name).c_str()}));
  }
  std::string resolve(const std::string& path) {
    auto found = resolve_in_root(root_.ref(), path);
    if (!found) return std::string("error ") + strerrorname_np(found.error().code());
    return fmt::format("/{} {}", found->path.str(), found->missing);
  }
  test::TempDir dir_;
  Fd root_ = dir_.open();
};

TEST_F(InARoot, SymlinksLeadNoFurtherThanTheRoot) {
  dir_.write("real/file", "");
  link("/real", "abs");
  link("../../../../real", "up");
  link("file", "real/again");

  EXPECT_EQ(resolve("/abs/file"), "/real/file 0");
  EXPECT_EQ(resolve("/up/again"), "/real/file 0");
  EXPECT_EQ(resolve("/../../real/./file"), "/real/file 0");
  EXPECT_EQ(resolve("/"), "/ 0");
}

TEST_F(InARoot, WhatIsNotThereKeepsItsName) {
  dir_.mkdir("a");
  link("/a/new", "dangling");

  EXPECT_EQ(resolve("/a/b/c"), "/a/b/c 2");
  EXPECT_EQ(resolve("/dangling/x"), "/a/new/x 2");
  EXPECT_EQ(resolve("/a/b/../c"), "/a/c 1");
  EXPECT_EQ(resolve("/a/b/../../a"), "/a 0");
}

TEST_F(InARoot, LoopsAndFilesOnTheWayAreErrors) {
  link("loop", "loop");
  dir_.write("file", "");

  EXPECT_EQ(resolve("/loop/x"), "error ELOOP");
  EXPECT_EQ(resolve("/file/x"), "error ENOTDIR");
}

TEST_F(InARoot, WhatIsMountedOverItIsLookedInto) {
  dir_.mkdir("root/data");
  dir_.mkdir("one");
  dir_.mkdir("two");
  link("/elsewhere", "root/data/link");
  link("/data/deep/below/there", "one/into");
  link("there", "two/again");
  const Fd root = *sys::open(dir_ / "root", O_PATH), one = *sys::open(dir_ / "one", O_PATH), two = *sys::open(dir_ / "two", O_PATH);
  const Covering coverings[] = {{*RelPath::parse("data"), one.ref()}, {*RelPath::parse("data/deep/below"), two.ref()}};
  auto look = [&](const char* path) {
    const auto found = resolve_in_root(root.ref(), path, coverings);
    return found ? fmt::format("/{} {}", found->path.str(), found->missing) : found.error().message();
  };

  EXPECT_EQ(look("/data/link"), "/data/link 1");
  EXPECT_EQ(look("/data/deep/below/again"), "/data/deep/below/there 1") << "a part of the way that is made only when it is mounted";
  EXPECT_EQ(look("/data/into/x"), "/data/deep/below/there/x 2");
  EXPECT_EQ(look("/data/deep/other"), "/data/deep/other 1");
}

TEST_F(InARoot, CommandsAreFoundAsExecvpWould) {
  constexpr const char* kScript = "#!/bin/interpreter\n";
  dir_.write("bin/interpreter", "", 0755);
  dir_.write("bin/tool", kScript, 0755);
  dir_.write("bin/plain", "", 0644);
  dir_.write("usr/bin/plain", kScript, 0755);
  dir_.write("app/run.sh", kScript, 0755);
  dir_.write("bin/lost", "#!/no/such/interpreter\n", 0755);
  dir_.write("bin/text", "words", 0755);
  dir_.mkdir("bin/folder");
  link("/bin/tool", "bin/alias");
  link("/nowhere", "bin/dangling");
  auto look = [&](const std::string& name, const std::string& path = "/bin:/usr/bin") {
    Spec spec{.argv = {name}, .env = {"PATH=" + path}, .cwd = "/app"};
    spec.mounts.push_back({.source = "/", .target = "/mnt"});
    return look_up_executable(root_.ref(), spec);
  };

  EXPECT_EQ(look("tool"), Executable::yes);
  EXPECT_EQ(look("alias"), Executable::yes);
  EXPECT_EQ(look("plain"), Executable::yes);  // the second one
  EXPECT_EQ(look("plain", "/bin"), Executable::no_permission);
  EXPECT_EQ(look("folder"), Executable::no_permission);
  EXPECT_EQ(look("lost"), Executable::no_interpreter);
  EXPECT_EQ(look("text"), Executable::odd_format);
  EXPECT_EQ(look("absent"), Executable::not_found);
  EXPECT_EQ(look("dangling"), Executable::not_found);
  EXPECT_EQ(look(""), Executable::not_found);
  EXPECT_EQ(look("./run.sh"), Executable::yes);
  EXPECT_EQ(look("run.sh", ""), Executable::yes);
  EXPECT_EQ(look("/bin/absent"), Executable::not_found);
  EXPECT_EQ(look("/mnt/tool"), Executable::unknown);
  EXPECT_EQ(look("tool", "/mnt"), Executable::unknown);
}

}  // namespace
}  // namespace acetate::sandbox
