#include "cli/run_rights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/support/temp_dir.h"

namespace acetate::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

using Words = std::vector<std::string>;

Result<sandbox::Spec> described(const RunOptions& options) {
  sandbox::Spec spec;
  TRY(describe_rights(options, spec));
  return spec;
}

TEST(RunCapabilities, AreAddedAndDropped) {
  const Words base{"CAP_CHOWN", "CAP_KILL"};

  EXPECT_THAT(*change_capabilities(base, {"net_raw"}, {"CAP_KILL"}), ElementsAre("CAP_CHOWN", "CAP_NET_RAW"));
  EXPECT_THAT(*change_capabilities(base, {"SETUID"}, {"all"}), ElementsAre("CAP_SETUID"));
  EXPECT_THAT(*change_capabilities(base, {}, {"ALL"}), IsEmpty());
  EXPECT_THAT(*change_capabilities(base, {"ALL"}, {"sys_admin"}), Not(Contains("CAP_SYS_ADMIN")));
  EXPECT_EQ(change_capabilities(base, {"ALL"}, {})->size(), 41U);
  EXPECT_FALSE(change_capabilities(base, {"CAP_WIBBLE"}, {}));
}

TEST(RunRights, OfThePrivilegedAreAllThereAre) {
  RunOptions options;
  options.privileged = true;
  const auto spec = described(options);

  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->capabilities.size(), 41U);
  EXPECT_FALSE(spec->confinement.filter_calls);
  EXPECT_FALSE(spec->confinement.default_masks);
}

TEST(RunRights, AreConfinedByOptions) {
  const test::TempDir dir;
  dir.write("profile.json", "{}");
  RunOptions options;
  options.security = {"no-new-privileges", "seccomp=" + dir / "profile.json", "mask=/proc/a:/proc/b", "unmask=/proc/kcore", "label=disable"};
  const auto spec = described(options);

  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_TRUE(spec->confinement.no_new_privileges);
  EXPECT_EQ(spec->confinement.profile, "{}");
  EXPECT_THAT(spec->confinement.masked, ElementsAre("/proc/a", "/proc/b"));
  EXPECT_THAT(spec->confinement.unmasked, ElementsAre("/proc/kcore"));
  for (const char* wrong : {"wibble", "seccomp=/no/such/profile", "systempaths=wibble"}) {
    options.security = {wrong};
    EXPECT_FALSE(described(options)) << wrong;
  }
  options.security = {"seccomp=unconfined", "unmask=ALL"};
  EXPECT_FALSE(described(options)->confinement.filter_calls);
  EXPECT_FALSE(described(options)->confinement.default_masks);
}

TEST(RunUlimit, IsAboveOursWhereThatIsOursToRaise) {
  rlimit ours{};
  ASSERT_EQ(::getrlimit(RLIMIT_CORE, &ours), 0);
  rlimit less = ours;
  less.rlim_cur = less.rlim_max = 4096;
  if (ours.rlim_max >= 4096) { ASSERT_EQ(::setrlimit(RLIMIT_CORE, &less), 0); }

  EXPECT_EQ(parse_ulimit("core=8192", true)->hard, 8192U);
  EXPECT_EQ(parse_ulimit("core=-1", true)->hard, std::uint64_t{RLIM_INFINITY});
  EXPECT_EQ(parse_ulimit("core=-1", false)->hard, std::min<std::uint64_t>(ours.rlim_max, 4096));
  // Of files there are no more than fs.nr_open, for root neither.
  EXPECT_LT(parse_ulimit("nofile=-1", true)->hard, std::uint64_t{RLIM_INFINITY});
}

TEST(RunUlimit, IsSoftAndHardAndNeverAboveOurs) {
  rlimit ours{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &ours), 0);

  const auto limit = parse_ulimit("nofile=16:32", false);
  ASSERT_TRUE(limit);
  EXPECT_EQ(limit->name, "RLIMIT_NOFILE");
  EXPECT_EQ(limit->soft, 16U);
  EXPECT_EQ(limit->hard, 32U);
  EXPECT_EQ(parse_ulimit("nofile=16")->hard, 16U);
  EXPECT_EQ(parse_ulimit("nofile=16:-1", false)->hard, ours.rlim_max);
  for (const char* wrong : {"", "nofile", "wibble=1", "nofile=2:1", "nofile=x"}) EXPECT_FALSE(parse_ulimit(wrong)) << wrong;
}

TEST(RunSignal, IsANameOrANumber) {
  EXPECT_EQ(*parse_signal("SIGTERM"), SIGTERM);
  EXPECT_EQ(*parse_signal("quit"), SIGQUIT);
  EXPECT_EQ(*parse_signal("9"), SIGKILL);
  for (const char* wrong : {"", "0", "WIBBLE", "9x", "100000"}) EXPECT_FALSE(parse_signal(wrong)) << wrong;
}

TEST(RunLimits, AreSizesAndNumbers) {
  RunOptions options;
  options.memory = "64m";
  options.cpus = "1.5";
  options.pids_limit = "100";
  options.shm_size = "1g";
  const auto spec = described(options);

  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->resources.memory, 64U << 20);
  EXPECT_EQ(spec->resources.cpus, 1.5);
  EXPECT_EQ(spec->resources.pids, 100);
  EXPECT_EQ(spec->shm_size, 1U << 30);
  for (const char* less : {"0.001", "-1", "nan"}) {
    options.cpus = less;
    EXPECT_FALSE(described(options)) << less;
  }
}

TEST(RunLimits, OfNothingAreNone) {
  RunOptions options;
  options.memory = options.cpus = "0";
  for (const char* none : {"0", "-1"}) {
    options.pids_limit = none;
    const auto spec = described(options);

    ASSERT_TRUE(spec);
    EXPECT_TRUE(spec->resources.empty());
  }
}

}  // namespace
}  // namespace acetate::cli
