// config.json as text: golden cases in tests/data/sandbox/NAME/config.json. ACETATE_ACCEPT=1 rewrites them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/sys/file.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {
namespace {

using Json = nlohmann::json;

void expect_golden(const std::string& name, const Spec& spec) {
  const auto config = to_oci_config(spec);
  ASSERT_TRUE(config) << config.error().message();
  const std::string dir = std::string(ACETATE_TEST_DATA) + "/sandbox/" + name;
  const std::string path = dir + "/config.json";
  if (::getenv("ACETATE_ACCEPT") != nullptr) {
    ASSERT_TRUE(sys::make_dirs(dir, 0755));
    const Fd file = *sys::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ASSERT_TRUE(sys::write_full(file.ref(), std::string_view(*config)));
    GTEST_SKIP() << "rewrote " << path;
  }
  const auto expected = sys::read_file(path, 1 << 20);
  ASSERT_TRUE(expected) << path << ": " << expected.error().message();
  // Architectures are this machine's; the rest is the same everywhere.
  Json ours = Json::parse(*config), theirs = Json::parse(*expected);
  ours["linux"]["seccomp"].erase("architectures");
  theirs["linux"]["seccomp"].erase("architectures");
  EXPECT_EQ(ours.dump(2), theirs.dump(2));
}

Spec plain() {
  Spec spec{.rootfs = "/scratch/merged", .argv = {"sh", "-c", "echo hi"}, .env = {"PATH=/bin", "A=b c"}};
  spec.capabilities = run_capabilities();
  return spec;
}

Json config_of(const Spec& spec) {
  const auto text = to_oci_config(spec);
  EXPECT_TRUE(text) << text.error().message();
  return text ? Json::parse(*text) : Json();
}

TEST(OciConfig, WithOurIpcHasNoNamespaceForItAndMakesNoSharedMemory) {
  const auto parts = [](bool own) {
    Spec spec = plain();
    spec.own_ipc = own;
    const Json config = config_of(spec);
    std::string found;
    for (const auto& space : config["linux"]["namespaces"]) found += space["type"] == "ipc" ? "ipc " : "";
    for (const auto& mount : config["mounts"]) found += mount["destination"] == "/dev/shm" || mount["destination"] == "/dev/mqueue" ? mount["destination"].get<std::string>() + " " : "";
    return found;
  };
  EXPECT_EQ(parts(true), "ipc /dev/shm /dev/mqueue ");
  EXPECT_EQ(parts(false), "");
}

TEST(OciConfig, WithoutSharedMemoryOfItsOwnHasAnIpcNamespaceStill) {
  Spec spec = plain();
  spec.makes_shm = false;
  const Json config = config_of(spec);
  for (const auto& mount : config["mounts"]) EXPECT_NE(mount["destination"], "/dev/shm");
  EXPECT_TRUE(std::ranges::any_of(config["linux"]["namespaces"], [](const Json& space) { return space["type"] == "ipc"; }));
}

TEST(OciConfig, WithOurNamesHasNoNamespaceForThemAndNoneToSet) {
  Spec spec = plain();
  spec.own_uts = false;
  const Json config = config_of(spec);
  EXPECT_FALSE(config.contains("hostname"));
  for (const auto& space : config["linux"]["namespaces"]) EXPECT_NE(space["type"], "uts");
}

TEST(OciConfig, SeesItsOwnCgroupAsTheRootOfAllUnlessItIsTheMachines) {
  const auto has = [](bool own) {
    Spec spec = plain();
    spec.surroundings.cgroup_v2 = true;
    spec.own_cgroups = own;
    const Json config = config_of(spec);
    return std::ranges::any_of(config["linux"]["namespaces"], [](const Json& space) { return space["type"] == "cgroup"; });
  };
  EXPECT_TRUE(has(true));
  EXPECT_FALSE(has(false));
}

TEST(OciConfig, SetsWhatIsWishedOverWhatANetworkOfItsOwnHasAnyway) {
  Spec spec = plain();
  EXPECT_FALSE(config_of(spec)["linux"].contains("sysctl"));
  spec.network = Network::none;
  spec.surroundings.network_defaults = {{"net.ipv4.ping_group_range", "0 0"}, {"net.ipv4.ip_unprivileged_port_start", "0"}};
  spec.sysctls = {{"net.ipv4.ip_unprivileged_port_start", "80"}, {"kernel.sem", "1 2 3 4"}};
  EXPECT_EQ(config_of(spec)["linux"]["sysctl"], (Json{{"net.ipv4.ping_group_range", "0 0"}, {"net.ipv4.ip_unprivileged_port_start", "80"}, {"kernel.sem", "1 2 3 4"}}));
  spec.surroundings.network_namespace = "/made/before";
  EXPECT_EQ(config_of(spec)["linux"]["sysctl"], (Json{{"kernel.sem", "1 2 3 4"}}));
}

TEST(OciConfig, SaysTheMaskTheScoreAndTheOptionsOfProcWhereTheyAreAskedFor) {
  Spec spec = plain();
  EXPECT_FALSE(config_of(spec)["process"].contains("oomScoreAdj"));
  EXPECT_FALSE(config_of(spec)["process"]["user"].contains("umask"));
  spec.umask = 077;
  spec.oom_score = 500;
  spec.confinement.proc_options = {"hidepid=2"};
  EXPECT_EQ(config_of(spec)["process"]["oomScoreAdj"], 500);
  EXPECT_EQ(config_of(spec)["process"]["user"]["umask"], 077);
  EXPECT_EQ(config_of(spec)["mounts"][0]["options"].back(), "hidepid=2");
}

TEST(OciConfig, MasksWhatNoPatternOfTheUnmaskedNames) {
  Spec spec = plain();
  spec.confinement.unmasked = {"/proc/*"};
  const Json masked = config_of(spec)["linux"]["maskedPaths"];
  EXPECT_FALSE(masked.empty());
  for (const Json& path : masked) EXPECT_TRUE(path.get<std::string>().starts_with("/sys")) << path;
}

TEST(OciConfig, HasEachLimitByItsName) {
  Spec spec = plain();
  using Kind = Resources::Disk::Kind;
  spec.surroundings.cgroup_limits = true;
  spec.resources = {.memory = 100, .memory_and_swap = Resources::kNoLimit, .memory_reservation = 50, .cpus = 0.5, .cpu_shares = 512, .cpuset_cpus = "0-1", .cpuset_mems = "0", .pids = 7, .blkio_weight = 100,
                    .disks = {{Kind::read_bytes, 8, 0, 1000}, {Kind::weight, 8, 16, 200}}, .files = {{"memory.high", "90"}}, .swappiness = 10, .never_killed = true, .cpu_period = 50000};
  spec.device_rules = {{'c', 189, std::nullopt, "rmw"}};
  const Json all = config_of(spec)["linux"]["resources"];

  EXPECT_EQ(all["memory"], (Json{{"limit", 100}, {"swap", -1}, {"reservation", 50}, {"swappiness", 10}, {"disableOOMKiller", true}}));
  EXPECT_EQ(all["cpu"], (Json{{"period", 50000}, {"quota", 25000}, {"shares", 512}, {"cpus", "0-1"}, {"mems", "0"}}));
  EXPECT_EQ(all["blockIO"], (Json{{"weight", 100}, {"throttleReadBpsDevice", {{{"major", 8}, {"minor", 0}, {"rate", 1000}}}}, {"weightDevice", {{{"major", 8}, {"minor", 16}, {"weight", 200}}}}}));
  EXPECT_EQ(all["unified"], (Json{{"memory.high", "90"}}));
  EXPECT_EQ(all["devices"].back(), (Json{{"allow", true}, {"type", "c"}, {"access", "rmw"}, {"major", 189}}));
  spec.surroundings.cgroup_v2 = true;
  EXPECT_FALSE(config_of(spec)["linux"]["resources"]["memory"].contains("swappiness"));
}

TEST(OciConfig, OfABuildStepInAChildUserNamespace) {
  Spec spec = plain();
  spec.capabilities = build_capabilities();
  spec.uid = 1000;
  spec.gid = 1001;
  spec.groups = {10, 50};
  spec.cwd = "/src";
  spec.surroundings.child_uids = {{0, 0, 1}, {1, 1, 65536}};
  spec.surroundings.child_gids = {{0, 0, 1}, {1, 1, 65536}};
  spec.surroundings.read_only_below = true;
  expect_golden("build_step", spec);
}

TEST(OciConfig, OfOneIdPlaysRoot) {
  Spec spec = plain();
  spec.ids = IdMode::single;
  spec.uid = 1000;
  spec.gid = 1000;
  spec.groups = {7};
  spec.surroundings.child_uids = {{0, 0, 1}};
  spec.surroundings.child_gids = {{0, 0, 1}};
  expect_golden("single_id", spec);
}

TEST(OciConfig, OfRealRootWithoutNetworkReadOnlyWithMounts) {
  Spec spec = plain();
  spec.ids = IdMode::none;
  spec.network = Network::none;
  spec.read_only = true;
  spec.terminal = true;
  spec.hostname = "box";
  spec.surroundings = {.cgroup_v2 = true, .fresh_sysfs = true, .console_size = {{.rows = 31, .columns = 97}}};
  spec.mounts = {{.source = "/data", .target = "/data"},
                 {.source = "/etc/hosts", .target = "/etc/hosts", .writable = false, .locked = {"nosuid", "nodev"}},
                 {.source = "/", .target = "/host", .writable = false, .has_submounts = true},
                 {.kind = MountPoint::Kind::tmpfs, .target = "/tmp"}};
  expect_golden("root_no_network", spec);
}

TEST(OciConfig, LimitsSharedMemoryHoweverLittleIsAskedFor) {
  Spec spec = plain();
  const auto size = [&](std::uint64_t bytes) {
    spec.shm_size = bytes;
    const Json config = config_of(spec);
    for (const Json& mount : config["mounts"])
      if (mount["destination"] == "/dev/shm") return mount["options"].back().get<std::string>();
    return std::string();
  };
  EXPECT_EQ(size(1), "size=1k");
  EXPECT_EQ(size(1025), "size=2k");
  EXPECT_EQ(size(4096), "size=4k");
  EXPECT_EQ(size(0), "size=0k");  // which is none
}

TEST(OciConfig, NamesTheCgroupMadeForItAndShowsItThatOneAlone) {
  Spec spec = plain();
  const auto cgroups_of = [](const Spec& of) {
    const Json config = config_of(of);
    for (const Json& mount : config["mounts"])
      if (mount["destination"] == "/sys/fs/cgroup") return mount["type"].get<std::string>();
    return std::string();
  };
  EXPECT_EQ(cgroups_of(spec), "tmpfs");
  EXPECT_FALSE(config_of(spec)["linux"].contains("cgroupsPath"));

  spec.surroundings.cgroup = "/user.slice/box";
  spec.surroundings.shows_cgroup = true;
  EXPECT_EQ(cgroups_of(spec), "cgroup");
  EXPECT_EQ(config_of(spec)["linux"]["cgroupsPath"], "/user.slice/box");
}

// The rules of its filter.
Json rules_of(const Spec& spec) { return config_of(spec)["linux"]["seccomp"]["syscalls"]; }

TEST(OciConfig, GivesNothingInheritableOrAmbient) {
  const Json config = config_of(plain());

  EXPECT_FALSE(config["process"]["capabilities"].contains("inheritable"));
  EXPECT_FALSE(config["process"]["capabilities"].contains("ambient"));
  EXPECT_FALSE(config["process"].contains("rlimits"));
}

TEST(OciConfig, PlaysRootOnlyWithOneId) {
  auto plays = [](IdMode ids) {
    Spec spec = plain();
    spec.ids = ids;
    const Json rules = rules_of(spec);
    for (const Json& rule : rules)
      if (rule["errnoRet"] == 0) return true;
    return false;
  };

  EXPECT_TRUE(plays(IdMode::single));
  EXPECT_FALSE(plays(IdMode::range));
  EXPECT_FALSE(plays(IdMode::none));
}

TEST(OciConfig, NamesNoSystemCallTwiceUnderTheSameConditions) {
  for (const IdMode ids : {IdMode::single, IdMode::range}) {
    Spec spec = plain();
    spec.ids = ids;
    std::vector<std::string> seen;
    const Json rules = rules_of(spec);
    for (const Json& rule : rules)
      for (const Json& name : rule["names"])
        seen.push_back(name.get<std::string>() + (rule.contains("args") ? rule["args"].dump() : ""));
    std::vector<std::string> unique = seen;
    std::ranges::sort(unique);
    unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
    EXPECT_EQ(unique.size(), seen.size());
  }
}

TEST(OciConfig, LetsACapabilityDoWhatItIsFor) {
  auto refused = [](const Spec& spec) {
    std::vector<std::string> names;
    const Json rules = rules_of(spec);
    for (const Json& rule : rules)
      if (!rule.contains("args"))
        for (const Json& name : rule["names"]) names.push_back(name);
    return names;
  };
  Spec admin = plain();
  admin.capabilities.emplace_back("CAP_SYS_ADMIN");

  EXPECT_THAT(refused(plain()), ::testing::IsSupersetOf({"mount", "unshare", "setns", "bpf", "keyctl", "clone3"}));
  EXPECT_THAT(refused(admin), ::testing::Not(::testing::Contains("mount")));
  EXPECT_THAT(refused(admin), ::testing::Not(::testing::Contains("clone3")));
  EXPECT_THAT(refused(admin), ::testing::Contains("bpf"));
}

TEST(OciConfig, RefusesWhatNoContainerCanBe) {
  auto code = [](auto change) {
    Spec spec = plain();
    change(spec);
    const auto config = to_oci_config(spec);
    return config ? 0 : config.error().code();
  };

  EXPECT_EQ(code([](Spec& spec) { spec.argv.clear(); }), EINVAL);
  EXPECT_EQ(code([](Spec& spec) { spec.cwd = "here"; }), EINVAL);
  EXPECT_EQ(code([](Spec& spec) { spec.rootfs = "here"; }), EINVAL);
  EXPECT_EQ(code([](Spec& spec) { spec.mounts = {{.source = "/a", .target = "b"}}; }), EINVAL);
  EXPECT_EQ(code([](Spec& spec) { spec.mounts = {{.source = "a", .target = "/b"}}; }), EINVAL);
  EXPECT_EQ(code([](Spec& spec) { spec.env.emplace_back("X=\xff\xfe"); }), EILSEQ);
}

TEST(OciConfig, HasTheHooksOfDevicesInTheirOrder) {
  Spec spec = plain();
  spec.hooks = {{.stage = Hook::Stage::create_container, .path = "/usr/bin/hook", .args = {"hook", "links"}, .env = std::vector<std::string>{"A=b"}, .timeout = 5},
                {.stage = Hook::Stage::prestart, .path = "/first"},
                {.stage = Hook::Stage::create_container, .path = "/second", .env = std::vector<std::string>()}};

  EXPECT_EQ(config_of(spec)["hooks"], Json::parse(R"({"createContainer": [{"path": "/usr/bin/hook", "args": ["hook", "links"], "env": ["A=b"], "timeout": 5}, {"path": "/second", "env": []}],
                                                      "prestart": [{"path": "/first"}]})"));
  EXPECT_FALSE(config_of(plain()).contains("hooks"));
  spec.hooks[0].path = "hook";
  EXPECT_FALSE(to_oci_config(spec));
}

TEST(OciConfig, HasTheGroupsOfDevicesAndNoEmptyAccess) {
  Spec spec = plain();
  spec.groups = {10};
  spec.device_groups = {44, 10};
  spec.devices = {{.source = "/dev/a", .target = "/dev/a", .access = ""}, {.source = "/dev/b", .target = "/dev/b", .access = "r"}};

  const Json config = config_of(spec);

  EXPECT_EQ(config["process"]["user"]["additionalGids"], Json({0, 10, 44}));
  ASSERT_EQ(config["linux"]["resources"]["devices"].size(), 2U);
  EXPECT_EQ(config["linux"]["resources"]["devices"][1]["access"], "r");
}

}  // namespace
}  // namespace acetate::sandbox
