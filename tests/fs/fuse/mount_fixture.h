// A real mount of our daemon for one test. Where there is no /dev/fuse, or it cannot be opened, the test is skipped with the
// reason.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/process.h"
#include "fs/control.h"
#include "fs/mount.h"
#include "tests/support/temp_dir.h"

namespace acetate::fs {

inline constexpr uid_t kSomebody = 65534;

class MountTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (auto device = sys::open("/dev/fuse", O_RDWR); !device)
      GTEST_SKIP() << "/dev/fuse cannot be opened: " << device.error().message();
    ::chmod(dir_.path().c_str(), 0755);
    for (const char* name : {"lower/sub", "upper", "work", "mnt", "run"}) dir_.mkdir(name);
    ::setenv("XDG_RUNTIME_DIR", (dir_ / "run").c_str(), 1);  // where the mount's control socket goes
    dir_.write("lower/f", "from below");
  }
  void TearDown() override {
    if (mounted()) (void)sys::umount((dir_ / "mnt").c_str(), MNT_DETACH);
    ::unsetenv("XDG_RUNTIME_DIR");
  }
  // What the mount's daemon answers (fs/control.h).
  std::string asked(std::string_view request) const {
    auto said = ask_daemon(dir_ / "mnt", request);
    return said ? *said : "error: " + said.error().message();
  }
  // A number of the daemon's: "passed_files_total", "operation_seconds_count{operation=\"read\"}".
  std::uint64_t counted(const std::string& what) const {
    std::istringstream lines(asked("stat prometheus"));
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with("fuse_overlay_" + what + " ")) return std::stoull(line.substr(line.rfind(' ') + 1));
    return 0;
  }
  // So far, and counted when they have been answered.
  std::uint64_t requests(const std::string& operation) const { return counted("operation_seconds_count{operation=\"" + operation + "\"}"); }
  MountRequest request() const {
    return {.lowers = {dir_ / "lower"}, .upper = dir_ / "upper", .work = dir_ / "work", .target = dir_ / "mnt"};
  }
  std::optional<sys::MountInfo> mounted() const {
    const auto table = sys::mounts();
    if (!table) return std::nullopt;
    for (const auto& one : *table)
      if (one.mount_point == dir_ / "mnt") return one;
    return std::nullopt;
  }
  static std::string daemon() { return *find_daemon(); }
  std::string option_words() const { return option_line(request()); }
  sys::Captured run(std::vector<std::string> argv) const {
    auto captured = sys::run_captured({.argv = std::move(argv)});
    EXPECT_TRUE(captured) << captured.error().message();
    return captured ? *std::move(captured) : sys::Captured();
  }
  // As a plain user; root's privileges are what makes it possible to become one.
  sys::Captured run_as_somebody(std::vector<std::string> argv) const {
    argv.insert(argv.begin(), {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"});
    return run(std::move(argv));
  }
  void give_to_somebody() const {
    for (const char* name : {"upper", "work", "mnt", "lower", "lower/sub", "lower/f"})
      ASSERT_EQ(::chown((dir_ / name).c_str(), kSomebody, kSomebody), 0);
  }
  test::TempDir dir_;
};

#define NEED_ROOT() \
  if (::geteuid() != 0) GTEST_SKIP() << "needs root"
#define NEED_TOOL(name) \
  if (!sys::find_program(name)) GTEST_SKIP() << name << " is not installed"

}  // namespace acetate::fs
