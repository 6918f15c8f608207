#include "cli/run_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acetate::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using Disk = sandbox::Resources::Disk;

Result<sandbox::Spec> described(const RunOptions& options) {
  sandbox::Spec spec;
  TRY(describe_limits(options, spec));
  return spec;
}

TEST(RunLimits, OfMemoryAndSwapAreOfBothTogether) {
  RunOptions options;
  options.memory = "64m";
  options.memory_swap = "100m";
  options.memory_reservation = "32m";
  EXPECT_EQ(described(options)->resources.memory_and_swap, 100U << 20);
  EXPECT_EQ(described(options)->resources.memory_reservation, 32U << 20);
  options.memory_swap = "-1";
  EXPECT_EQ(described(options)->resources.memory_and_swap, sandbox::Resources::kNoLimit);
  options.memory_swap = "63m";
  EXPECT_FALSE(described(options)) << "less than the memory alone";
  options.memory_swap = "";
  options.memory_reservation = "65m";
  EXPECT_FALSE(described(options)) << "more than there may be";
  options = {};
  options.memory_swap = "64m";
  EXPECT_FALSE(described(options)) << "goes with --memory";
  options.memory_swap = "-1";
  EXPECT_EQ(described(options)->resources.memory_and_swap, std::nullopt) << "as scripts have it, and of no effect";
}

TEST(RunLimits, OfProcessorsAreNumbersOrPartsOfAPeriod) {
  RunOptions options;
  options.cpu_quota = "25000";
  EXPECT_EQ(described(options)->resources.cpu_quota(), 25000U);
  options.cpu_period = "50000";
  EXPECT_EQ(described(options)->resources.cpus, 0.5);
  EXPECT_EQ(described(options)->resources.cpu_period, 50000U);
  EXPECT_EQ(described(options)->resources.cpu_quota(), 25000U);
  options.cpus = "1";
  EXPECT_FALSE(described(options)) << "the same twice";
  options = {};
  options.cpu_quota = "-1";
  EXPECT_TRUE(described(options)->resources.empty());
  for (const char* wrong : {"1", "x", "-2"}) {
    options.cpu_quota = wrong;
    EXPECT_FALSE(described(options)) << wrong;
  }
}

TEST(RunLimits, ThatAreWeightsStayWithinWhatTheKernelTakes) {
  RunOptions options;
  options.cpu_shares = "512";
  options.blkio_weight = "100";
  EXPECT_EQ(described(options)->resources.cpu_shares, 512U);
  EXPECT_EQ(described(options)->resources.blkio_weight, 100U);
  options.cpu_shares = options.blkio_weight = "0";
  EXPECT_TRUE(described(options)->resources.empty());
  options.cpu_shares = "1";
  EXPECT_FALSE(described(options));
  options.cpu_shares = "";
  for (const char* wrong : {"9", "1001", "x"}) {
    options.blkio_weight = wrong;
    EXPECT_FALSE(described(options)) << wrong;
  }
}

TEST(RunLimits, NameProcessorsByNumbersAndRanges) {
  for (const char* right : {"", "0", "0-3", "0,2-3,8"}) EXPECT_EQ(*parse_set(right, "--cpuset-cpus"), right);
  for (const char* wrong : {",", "0,", "a", "3-1", "-1", "0-", "1 2"}) EXPECT_FALSE(parse_set(wrong, "--cpuset-cpus")) << wrong;
}

TEST(RunLimits, NameADiskByItsNumbers) {
  const auto find = [](const std::string& path) -> Result<std::pair<unsigned, unsigned>> {
    if (path != "/dev/sda") return Error(ENOENT);
    return std::pair{8U, 16U};
  };
  EXPECT_EQ(*parse_disk("/dev/sda:1mb", Disk::Kind::read_bytes, "--device-read-bps", find), (Disk{Disk::Kind::read_bytes, 8, 16, 1 << 20}));
  EXPECT_EQ(*parse_disk("/dev/sda:100", Disk::Kind::weight, "--blkio-weight-device", find), (Disk{Disk::Kind::weight, 8, 16, 100}));
  EXPECT_FALSE(parse_disk("/dev/sda:1mb", Disk::Kind::read_calls, "--device-read-iops", find)) << "calls have no unit";
  EXPECT_FALSE(parse_disk("/dev/sda:5", Disk::Kind::weight, "--blkio-weight-device", find));
  for (const char* wrong : {"/dev/sda", "sda:1", "/dev/sdb:1", "/dev/sda:"}) EXPECT_FALSE(parse_disk(wrong, Disk::Kind::write_bytes, "--device-write-bps", find)) << wrong;
  RunOptions options;
  options.device_read_bps = {"/dev/null:1mb"};
  EXPECT_FALSE(described(options)) << "no disk";
}

TEST(RunLimits, AreFilesOfACgroupToo) {
  RunOptions options;
  options.cgroup_conf = {"memory.high=1073741824"};
  EXPECT_THAT(described(options)->resources.files, ElementsAre(Pair("memory.high", "1073741824")));
  for (const char* wrong : {"memory.high", "=1", "memory=1", "../x.y=1", "cgroup.procs=1", ".x=1"}) {
    options.cgroup_conf = {wrong};
    EXPECT_FALSE(described(options)) << wrong;
  }
}

TEST(RunLimits, AreKeptBelowAnotherCgroup) {
  RunOptions options;
  options.cgroup_parent = "jobs/mine";
  EXPECT_EQ(described(options)->cgroup_parent, "/jobs/mine");
  for (const char* wrong : {"/../x", "user.slice"}) {
    options.cgroup_parent = wrong;
    EXPECT_FALSE(described(options)) << wrong;
  }
}

}  // namespace
}  // namespace acetate::cli
