#include "builder/sandbox/sysctls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acetate::sandbox {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(Sysctls, AreANetworksOrOfSharedMemoryAndQueuesOrTheMachines) {
  for (const char* name : {"net.ipv4.ip_forward", "net.core.somaxconn"}) EXPECT_EQ(kind_of(name), SysctlKind::network) << name;
  for (const char* name : {"kernel.shmmax", "kernel.msgmnb", "kernel.sem", "fs.mqueue.msg_max"}) EXPECT_EQ(kind_of(name), SysctlKind::ipc) << name;
  for (const char* name : {"", "net", "kernel.hostname", "kernel.shm_wibble", "vm.swappiness", "fs.file-max", "fs.mqueue"}) EXPECT_EQ(kind_of(name), std::nullopt) << name;
}

TEST(Sysctls, LieInTheirDirectoryWhateverTheirName) {
  EXPECT_EQ(sysctl_path("net.ipv4.ip_forward"), "/proc/sys/net/ipv4/ip_forward");
  EXPECT_EQ(sysctl_path("net.../../kernel.x"), "/proc/sys/net///////kernel/x");
}

std::string ping_groups(const std::vector<sys::IdRange>& groups) { return network_defaults(groups).back().second; }

TEST(Sysctls, LetEveryGroupPing) {
  EXPECT_THAT(network_defaults({{0, 0, UINT32_MAX}}), ElementsAre(Pair("net.ipv4.ip_unprivileged_port_start", "0"), Pair("net.ipv4.ping_group_range", "0 2147483647")));
  EXPECT_EQ(ping_groups({{0, 1000, 1}, {1, 1500000, 65536}}), "0 65536");
  EXPECT_EQ(ping_groups({{0, 1000, 1}}), "0 0");
}

TEST(Sysctls, LetEveryGroupPingInTheOrderThatTheKernelComparesThemIn) {
  // keep-id: the caller is 1000 inside, and outside below all of its subordinate ids.
  EXPECT_EQ(ping_groups({{0, 1500000, 1000}, {1000, 1000, 1}, {1001, 1501000, 64535}}), "1000 65535");
  EXPECT_EQ(ping_groups({{0, 1500000, 500}, {1000, 1000, 1}}), "0 499") << "as many as two numbers can have between them";
}

TEST(Sysctls, AreSetForAUserNamespaceBelowByWhatItsGroupsAreOutsideOfOurs) {
  const std::vector<sys::IdRange> ours{{0, 1000, 1}, {1, 1500000, 65536}};
  const auto seen = seen_from_outside({{0, 1, 1000}, {1000, 0, 1}, {1001, 1001, 64536}}, ours);
  EXPECT_EQ(ping_groups(seen), "1000 65536");
  EXPECT_EQ(ping_groups(seen_from_outside({{0, 0, 65537}}, ours)), "0 65536");
}

TEST(Sysctls, ThatNameGroupsNameThemAsWhoeverSetsThemHasThem) {
  const std::vector<sys::IdRange> child{{0, 1, 1000}, {1000, 0, 1}};
  EXPECT_EQ(in_our_ids({"net.ipv4.ping_group_range", "1000 1000"}, child).second, "0 0");
  EXPECT_EQ(in_our_ids({"net.ipv4.ping_group_range", "0 999"}, child).second, "1 1000");
  EXPECT_EQ(in_our_ids({"net.ipv4.ping_group_range", "0 5000"}, child).second, "0 5000") << "the kernel is to refuse it";
  EXPECT_EQ(in_our_ids({"net.ipv4.ping_group_range", "0 0"}, {}).second, "0 0");
  EXPECT_EQ(in_our_ids({"net.core.somaxconn", "7"}, child).second, "7");
}

TEST(Sysctls, ThatTheKernelDoesNotKnowAreNotSetByDefault) {
  EXPECT_THAT(settable({{"net.acetate.wibble", "1"}}), ElementsAre());
}

}  // namespace
}  // namespace acetate::sandbox
