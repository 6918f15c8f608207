#include "builder/sandbox/cdi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace acetate::sandbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> targets(const Spec& spec) {
  std::vector<std::string> all;
  for (const Device& device : spec.devices) all.push_back(device.target);
  return all;
}

TEST(Cdi, GivesWhatADeviceConsistsOf) {
  const test::TempDir dir;
  dir.write("cdi/gpu.json", R"({"cdiVersion": "0.6.0", "kind": "vendor.com/gpu",
    "devices": [{"name": "0", "containerEdits": {"deviceNodes": [{"path": "/dev/gpu0", "permissions": "rw"}], "env": ["GPU=0"]}},
                {"name": "1", "containerEdits": {"deviceNodes": [{"path": "/dev/gpu1", "hostPath": "/dev/real1"}]}}],
    "containerEdits": {"mounts": [{"hostPath": "/usr/lib/gpu.so", "containerPath": "/usr/lib/gpu.so", "options": ["ro", "nosuid", "bind"]}]}})");
  Spec spec;

  ASSERT_TRUE(add_cdi_devices({"vendor.com/gpu=1"}, spec, {dir / "absent", dir / "cdi"}));

  ASSERT_EQ(spec.devices.size(), 1U);
  EXPECT_EQ(spec.devices[0].source, "/dev/real1");
  EXPECT_EQ(spec.devices[0].target, "/dev/gpu1");
  ASSERT_EQ(spec.mounts.size(), 1U);
  EXPECT_FALSE(spec.mounts[0].writable);
  EXPECT_THAT(spec.mounts[0].options, ElementsAre("nosuid"));
  Spec all;
  ASSERT_TRUE(add_cdi_devices({"vendor.com/gpu=all"}, all, {dir / "cdi"}));
  EXPECT_EQ(all.devices.size(), 2U);
  EXPECT_THAT(all.env, ElementsAre("GPU=0"));
  EXPECT_FALSE(add_cdi_devices({"vendor.com/gpu=7"}, spec, {dir / "cdi"}));
}

TEST(Cdi, HasTheLastWordOnTheEnvironment) {
  const test::TempDir dir;
  dir.write("cdi/gpu.json", R"({"cdiVersion": "0.6.0", "kind": "vendor.com/gpu",
    "devices": [{"name": "0", "containerEdits": {"env": ["VISIBLE=void"]}}, {"name": "1", "containerEdits": {"env": ["VISIBLE=void"]}}]})");
  Spec spec{.env = {"A=b", "VISIBLE=all", "VISIBLE_TOO=x"}};

  ASSERT_TRUE(add_cdi_devices({"vendor.com/gpu=all"}, spec, {dir / "cdi"}));

  EXPECT_THAT(spec.env, ElementsAre("A=b", "VISIBLE_TOO=x", "VISIBLE=void"));
}

TEST(Cdi, ReadsYaml) {
  const test::TempDir dir;
  dir.write("cdi/a.yaml", "---\ncdiVersion: 0.6.0\nkind: vendor.com/gpu\ndevices:\n- name: 0\n  containerEdits:\n    env: [GPU=0]\n");
  dir.write("cdi/b.yml", "{cdiVersion: 0.6.0, kind: vendor.com/nic, devices: [{name: a, containerEdits: {env: [NIC=a]}}]}");
  dir.write("cdi/c.txt", "not read");
  Spec spec;

  const auto added = add_cdi_devices({"vendor.com/gpu=0", "vendor.com/nic=a"}, spec, {dir / "cdi"});

  ASSERT_TRUE(added) << added.error().message();
  EXPECT_THAT(spec.env, ElementsAre("GPU=0", "NIC=a"));
}

TEST(Cdi, DoesOnceWhatIsOfAllDevicesAndThenWhatIsOfEach) {
  const test::TempDir dir;
  dir.write("cdi/gpu.yaml", R"({cdiVersion: 0.7.0, kind: vendor.com/gpu,
    containerEdits: {env: [WHICH=none], deviceNodes: [{path: /dev/ctl}], hooks: [{hookName: createContainer, path: /of/all}], additionalGids: [44]},
    devices: [{name: "0", containerEdits: {env: [WHICH=0], deviceNodes: [{path: /dev/gpu0}], hooks: [{hookName: createContainer, path: /of/0}], additionalGids: [44, 109]}},
              {name: "1", containerEdits: {deviceNodes: [{path: /dev/gpu1}]}}]})");
  Spec spec;

  ASSERT_TRUE(add_cdi_devices({"vendor.com/gpu=0", "vendor.com/gpu=1", "vendor.com/gpu=0"}, spec, {dir / "cdi"}));

  EXPECT_THAT(spec.env, ElementsAre("WHICH=0"));
  EXPECT_THAT(targets(spec), ElementsAre("/dev/ctl", "/dev/gpu0", "/dev/gpu1"));
  ASSERT_EQ(spec.hooks.size(), 2U);
  EXPECT_EQ(spec.hooks[0].path, "/of/all");
  EXPECT_EQ(spec.hooks[1].path, "/of/0");
  EXPECT_THAT(spec.device_groups, ElementsAre(44, 109));
}

TEST(Cdi, GoesByADeviceThatIsCalledAll) {
  const test::TempDir dir;
  dir.write("cdi/gpu.yaml", R"({cdiVersion: 0.6.0, kind: vendor.com/gpu, devices: [
    {name: "0", containerEdits: {deviceNodes: [{path: /dev/gpu0}]}}, {name: all, containerEdits: {deviceNodes: [{path: /dev/every}]}}]})");
  Spec spec;

  ASSERT_TRUE(add_cdi_devices({"vendor.com/gpu=all"}, spec, {dir / "cdi"}));

  EXPECT_THAT(targets(spec), ElementsAre("/dev/every"));
}

TEST(Cdi, GoesByTheLaterDirectory) {
  const test::TempDir dir;
  const auto with = [](const char* path) { return fmt::format("{{cdiVersion: 0.6.0, kind: v/gpu, devices: [{{name: a, containerEdits: {{deviceNodes: [{{path: {}}}]}}}}]}}", path); };
  dir.write("etc/gpu.yaml", with("/dev/etc"));
  dir.write("run/gpu.yaml", with("/dev/run"));
  Spec one, all;

  ASSERT_TRUE(add_cdi_devices({"v/gpu=a"}, one, {dir / "etc", dir / "run"}));
  ASSERT_TRUE(add_cdi_devices({"v/gpu=all"}, all, {dir / "etc", dir / "run"}));

  EXPECT_THAT(targets(one), ElementsAre("/dev/run"));
  EXPECT_THAT(targets(all), ElementsAre("/dev/run"));
  dir.write("run/other.yaml", with("/dev/other"));
  const auto twice = add_cdi_devices({"v/gpu=a"}, one, {dir / "etc", dir / "run"});
  EXPECT_EQ(twice.error().message(), fmt::format("the CDI device v/gpu=a is in {} and in {}", dir / "run/gpu.yaml", dir / "run/other.yaml"));
}

TEST(Cdi, StandsForWhatWasThereBefore) {
  const test::TempDir dir;
  dir.write("cdi/gpu.yaml", R"({cdiVersion: 0.6.0, kind: v/gpu, devices: [
    {name: a, containerEdits: {deviceNodes: [{path: /dev/gpu, permissions: r}], mounts: [{hostPath: /new, containerPath: /opt}]}}]})");
  Spec spec{.mounts = {{.source = "/x", .target = "/opt/below"}, {.source = "/y", .target = "/opt"}, {.source = "/z", .target = "/optional"}},
            .devices = {{.source = "/dev/gpu", .target = "/dev/gpu"}}};

  ASSERT_TRUE(add_cdi_devices({"v/gpu=a"}, spec, {dir / "cdi"}));

  ASSERT_EQ(spec.devices.size(), 1U);
  EXPECT_EQ(spec.devices[0].access, "r");
  std::vector<std::string> sources;
  for (const MountPoint& mount : spec.mounts) sources.push_back(mount.source);
  EXPECT_THAT(sources, ElementsAre("/new", "/x", "/z"));
}

TEST(Cdi, TellsWhichFileIsDamagedWhereItMatters) {
  const test::TempDir dir;
  dir.write("cdi/bad.yaml", "kind: [\n");
  dir.write("cdi/bad.json", "{");
  dir.write("cdi/large.yaml", std::string((4 << 20) + 1, ' '));
  dir.write("cdi/good.yaml", "{cdiVersion: 0.6.0, kind: v/gpu, devices: [{name: a, containerEdits: {env: [A=b]}}]}");
  Spec spec;

  EXPECT_TRUE(add_cdi_devices({"v/gpu=a"}, spec, {dir / "cdi"}));
  const auto absent = add_cdi_devices({"v/gpu=b"}, spec, {dir / "cdi"});

  ASSERT_FALSE(absent);
  EXPECT_TRUE(absent.error().is(ENOENT));
  EXPECT_THAT(absent.error().message(), HasSubstr(fmt::format("; the CDI specification {} cannot be used: no JSON; ", dir / "cdi/bad.json")));
  EXPECT_THAT(absent.error().message(), HasSubstr(fmt::format("; the CDI specification {} cannot be used: line 2, column 1: ", dir / "cdi/bad.yaml")));
  EXPECT_THAT(absent.error().message(), HasSubstr(fmt::format("; the CDI specification {} cannot be used: more than 4 MiB", dir / "cdi/large.yaml")));
}

TEST(Cdi, RefusesADeviceThatCannotBeWhole) {
  const test::TempDir dir;
  dir.write("cdi/a.yaml", "{cdiVersion: 1.1.0, kind: v/nic, devices: [{name: a, containerEdits: {netDevices: [{hostInterfaceName: ib0, name: ib0}]}}]}");
  Spec spec;

  const auto added = add_cdi_devices({"v/nic=a"}, spec, {dir / "cdi"});

  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().message(), "the CDI device v/nic=a cannot be had: it has network interfaces, which are not moved into containers here");
}

TEST(Cdi, TellsDevicesThatEveryBuildMayHave) {
  const test::TempDir dir;
  dir.write("cdi/a.json", R"({"cdiVersion": "0.6.0", "kind": "vendor.com/device", "devices": [
    {"name": "free", "containerEdits": {}, "annotations": {"org.mobyproject.buildkit.device.autoallow": "true"}},
    {"name": "asked", "containerEdits": {}}]})");
  EXPECT_TRUE(*is_for_every_build("vendor.com/device=free", {dir / "cdi"}));
  EXPECT_FALSE(*is_for_every_build("vendor.com/device=asked", {dir / "cdi"}));
  EXPECT_FALSE(*is_for_every_build("vendor.com/device=all", {dir / "cdi"}));
  EXPECT_TRUE(is_for_every_build("vendor.com/device=none", {dir / "cdi"}).error().is(ENOENT));
  // Of all of a specification, but for what a device says itself.
  dir.write("cdi/b.json", R"({"cdiVersion": "0.6.0", "kind": "vendor.com/other", "annotations": {"org.mobyproject.buildkit.device.autoallow": "true"}, "devices": [
    {"name": "free", "containerEdits": {}},
    {"name": "asked", "containerEdits": {}, "annotations": {"org.mobyproject.buildkit.device.autoallow": "false"}}]})");
  EXPECT_TRUE(*is_for_every_build("vendor.com/other=free", {dir / "cdi"}));
  EXPECT_FALSE(*is_for_every_build("vendor.com/other=asked", {dir / "cdi"}));
}

}  // namespace
}  // namespace acetate::sandbox
