// A cgroup that was given to us, divided: on the machine's own, with the controller that version 2 has where others are still with
// version 1.
#include "builder/sandbox/delegated_cgroup.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "base/sys/file.h"
#include "tests/support/temp_dir.h"

namespace acetate::sandbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CgroupLimits, AreWrittenAsVersion2HasThem) {
  EXPECT_THAT(cgroup_limits({.memory = 1 << 20, .cpus = 1.5, .pids = 7}),
              ElementsAre(CgroupLimit{"memory", "memory.max", "1048576"}, CgroupLimit{"memory", "memory.swap.max", "0", true},
                          CgroupLimit{"cpu", "cpu.max", "150000 100000"}, CgroupLimit{"pids", "pids.max", "7"}));
  using Kind = Resources::Disk::Kind;
  EXPECT_THAT(cgroup_limits({.memory = 100, .memory_and_swap = 150, .memory_reservation = 50, .cpu_shares = 1024, .cpuset_cpus = "0-1", .blkio_weight = 500, .disks = {{Kind::write_calls, 8, 0, 9}}, .files = {{"memory.high", "90"}}}),
              ElementsAre(CgroupLimit{"memory", "memory.max", "100"}, CgroupLimit{"memory", "memory.swap.max", "50", true}, CgroupLimit{"memory", "memory.low", "50"}, CgroupLimit{"cpu", "cpu.weight", "39"},
                          CgroupLimit{"cpuset", "cpuset.cpus", "0-1"}, CgroupLimit{"io", "io.weight", "default 4950", true}, CgroupLimit{"io", "io.bfq.weight", "500", true}, CgroupLimit{"io", "io.max", "8:0 wiops=9"},
                          CgroupLimit{"memory", "memory.high", "90"}));
  EXPECT_EQ(cgroup_limits({.memory = 100, .memory_and_swap = Resources::kNoLimit})[1].value, "max");
  for (const int none : {-1, 0}) EXPECT_THAT(cgroup_limits({.pids = none}), ElementsAre(CgroupLimit{"pids", "pids.max", "max"}));
}

std::string unified() {
  for (const char* place : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    const auto dir = sys::open(place, O_PATH | O_DIRECTORY);
    if (dir && static_cast<unsigned long>(sys::statfs(dir->ref())->f_type) == CGROUP2_SUPER_MAGIC) return place;
  }
  return {};
}

std::string text_of(const std::string& path) {
  const auto text = sys::read_file(path, 1 << 16);
  return text ? *text : "";
}

Result<void> write(const std::string& path, std::string_view text) {
  const Fd file = TRY(sys::open(path, O_WRONLY));
  return sys::write_full(file.ref(), text);
}

// A cgroup of the test's own, in which a child does what is to be tried.
class Delegated : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = unified();
    if (::geteuid() != 0) GTEST_SKIP() << "only root can make a cgroup to be delegated";
    if (root_.empty()) GTEST_SKIP() << "no cgroups of version 2 here";
    if (text_of(root_ + "/cgroup.controllers").find("hugetlb") == std::string::npos) GTEST_SKIP() << "version 2 has no controller that could be tried";
    if (!write(root_ + "/cgroup.subtree_control", "+hugetlb")) GTEST_SKIP() << "the root's controllers are not to be had";
    dir_ = root_ + "/acetate-test-" + std::to_string(::getpid());
    ASSERT_TRUE(sys::mkdir({kWorkingDir, dir_.c_str()}, 0755));
  }
  void TearDown() override {
    if (dir_.empty()) return;
    EXPECT_TRUE(sys::rmdir({kWorkingDir, dir_.c_str()})) << "something of it stays";
  }

  // What the child says, "" is well. `uid`: it is theirs, and the child is they.
  std::string in_it(uid_t uid, const std::function<std::string()>& body) {
    int said[2];
    EXPECT_EQ(::pipe(said), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      std::string words = "could not enter it";
      if (write(dir_ + "/cgroup.procs", "0")) {
        if (uid != 0)
          for (const char* file : {"", "/cgroup.procs", "/cgroup.subtree_control"}) static_cast<void>(::chown((dir_ + file).c_str(), uid, uid));
        words = uid != 0 && ::setresuid(uid, uid, uid) != 0 ? "could not become somebody else" : body();
      }
      static_cast<void>(::write(said[1], words.data(), words.size()));
      ::_exit(0);
    }
    ::close(said[1]);
    std::string words(4096, '\0');
    const ssize_t got = ::read(said[0], words.data(), words.size());
    words.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    ::close(said[0]);
    ::waitpid(child, nullptr, 0);
    return words;
  }

  std::string root_, dir_;
  const std::vector<CgroupLimit> limits_{{"hugetlb", "hugetlb.2MB.max", "4194304"}};
};

TEST_F(Delegated, IsDividedAndPutTogetherAgain) {
  for (const uid_t uid : {0U, 65534U}) {
    const std::string words = in_it(uid, [&]() -> std::string {
      {
        auto made = DelegatedCgroup::make(limits_);
        if (!made) return made.error().message();
        const std::string container = dir_ + "/" + std::to_string(::getpid()) + "-container";
        if (text_of(container + "/hugetlb.2MB.max") != "4194304\n") return "the limit is " + text_of(container + "/hugetlb.2MB.max");
        const pid_t limited = ::fork();
        if (limited == 0) ::_exit(enter_cgroup(made->limited()) && text_of("/proc/self/cgroup").find("-container\n") != std::string::npos ? 0 : 1);
        int status = 0;
        ::waitpid(limited, &status, 0);
        if (status != 0) return "nobody comes in";
        if (text_of("/proc/self/cgroup").find("-acetate\n") == std::string::npos) return "we are in the way";
      }
      if (text_of(dir_ + "/cgroup.subtree_control") != "") return "it goes on giving " + text_of(dir_ + "/cgroup.subtree_control");
      return text_of(dir_ + "/cgroup.procs").empty() ? "we are elsewhere" : "";
    });
    EXPECT_EQ(words, "") << "as user " << uid;
  }
}

TEST_F(Delegated, IsPutTogetherByTheNextCommandWhenWhoDividedItWasKilled) {
  for (const uid_t uid : {0U, 65534U}) {
    const test::TempDir dir;
    ASSERT_EQ(::chmod(dir.path().c_str(), 0777), 0);
    const std::string notes = dir / "notes";
    const std::string words = in_it(uid, [&]() -> std::string {
      auto made = DelegatedCgroup::make(limits_, notes);
      if (!made) return made.error().message();
      ::kill(::getpid(), SIGKILL);
      return "it lives";
    });
    ASSERT_EQ(words, "") << "as user " << uid;
    ASSERT_NE(text_of(dir_ + "/cgroup.subtree_control"), "");

    remove_abandoned_cgroups(notes);

    EXPECT_EQ(text_of(dir_ + "/cgroup.subtree_control"), "");
    EXPECT_TRUE(std::filesystem::is_empty(notes));
  }
}

// Of the two cgroups either may not have been made yet, or may be gone already.
TEST_F(Delegated, IsPutTogetherWhereverTheKillCame) {
  for (const char* missing : {"", "-container", "-acetate"}) {
    const test::TempDir dir;
    const std::string notes = dir / "notes";
    const std::string words = in_it(0, [&]() -> std::string {
      auto made = DelegatedCgroup::make(limits_, notes);
      if (!made) return made.error().message();
      ::kill(::getpid(), SIGKILL);
      return "it lives";
    });
    ASSERT_EQ(words, "");
    for (const auto& entry : std::filesystem::directory_iterator(dir_))
      if (*missing != 0 && entry.path().native().ends_with(missing)) ::rmdir(entry.path().c_str());

    remove_abandoned_cgroups(notes);

    EXPECT_EQ(text_of(dir_ + "/cgroup.subtree_control"), "") << missing;
    for (const auto& entry : std::filesystem::directory_iterator(dir_)) EXPECT_FALSE(entry.is_directory()) << entry.path();
  }
}

TEST_F(Delegated, LeavesNoNoteBehind) {
  const test::TempDir dir;
  const std::string notes = dir / "notes";
  remove_abandoned_cgroups(notes);  // nobody has made it yet
  const std::string words = in_it(0, [&]() -> std::string {
    const auto made = DelegatedCgroup::make(limits_, notes);
    if (!made) return made.error().message();
    remove_abandoned_cgroups(notes);  // its owner lives
    return std::filesystem::is_empty(notes) ? "there is no note" : "";
  });
  EXPECT_EQ(words, "");
  EXPECT_TRUE(std::filesystem::is_empty(notes));
}

TEST_F(Delegated, IsNotDividedWhereItIsNotOurs) {
  const std::string words = in_it(0, [&]() -> std::string {
    if (::setresuid(65534, 65534, 65534) != 0) return "could not become somebody else";
    const auto made = DelegatedCgroup::make(limits_);
    return made ? "it was" : made.error().message();
  });
  EXPECT_THAT(words, HasSubstr("is not ours to divide; systemd-run --user --scope -p Delegate=yes"));
}

TEST_F(Delegated, LacksWhatItLacks) {
  const std::string words = in_it(0, []() -> std::string {
    const auto made = DelegatedCgroup::make({{"unheard-of", "unheard-of.max", "1"}});
    return made ? "it was" : made.error().message();
  });
  EXPECT_THAT(words, HasSubstr("has no controller of unheard-of"));
}

}  // namespace
}  // namespace acetate::sandbox
