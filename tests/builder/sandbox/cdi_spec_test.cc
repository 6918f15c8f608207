#include "builder/sandbox/cdi_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "builder/sandbox/yaml.h"

namespace acetate::sandbox {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Json = nlohmann::json;

// As nvidia-ctk 1.17 writes it, shortened.
constexpr const char* kNvidia = R"(---
cdiVersion: 0.5.0
containerEdits:
  deviceNodes:
  - path: /dev/nvidiactl
    fileMode: 438
    permissions: rw
  env:
  - NVIDIA_VISIBLE_DEVICES=void
  hooks:
  - args:
    - nvidia-cdi-hook
    - create-symlinks
    - --link
    - libcuda.so.1::/usr/lib/x86_64-linux-gnu/libcuda.so
    env:
    - NVIDIA_CTK_DEBUG=false
    hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
  - hookName: startContainer
    path: /sbin/ldconfig
    timeout: 10
  mounts:
  - containerPath: /usr/lib/x86_64-linux-gnu/libcuda.so.535.161.08
    hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.535.161.08
    options:
    - ro
    - nosuid
    - nodev
    - bind
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
      major: 195
      uid: 0
- name: all
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
kind: nvidia.com/gpu
)";

TEST(CdiSpec, IsWhatNvidiasToolWrites) {
  const auto json = yaml_to_json(kNvidia);
  ASSERT_TRUE(json) << json.error().message();

  const auto spec = parse_cdi_spec(*json);

  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->kind, "nvidia.com/gpu");
  EXPECT_THAT(spec->edits.env, ElementsAre("NVIDIA_VISIBLE_DEVICES=void"));
  EXPECT_THAT(spec->edits.hooks,
              ElementsAre(Hook{.stage = Hook::Stage::create_container,
                               .path = "/usr/bin/nvidia-cdi-hook",
                               .args = {"nvidia-cdi-hook", "create-symlinks", "--link", "libcuda.so.1::/usr/lib/x86_64-linux-gnu/libcuda.so"},
                               .env = std::vector<std::string>{"NVIDIA_CTK_DEBUG=false"}},
                          Hook{.stage = Hook::Stage::start_container, .path = "/sbin/ldconfig", .timeout = 10}));
  ASSERT_EQ(spec->edits.devices.size(), 1U);
  EXPECT_EQ(spec->edits.devices[0].access, "rw");
  EXPECT_THAT(spec->edits.left_out, ElementsAre("/dev/nvidiactl keeps the owner and the mode that it has on this machine"));
  ASSERT_EQ(spec->edits.mounts.size(), 1U);
  EXPECT_FALSE(spec->edits.mounts[0].writable);
  EXPECT_THAT(spec->edits.mounts[0].options, ElementsAre("nosuid", "nodev"));
  ASSERT_EQ(spec->devices.size(), 2U);
  EXPECT_EQ(spec->devices[0].name, "0");
  EXPECT_EQ(spec->devices[0].edits.devices[0].source, "/dev/nvidia0");
}

// A specification of version 1.1.0 with one device, which has these edits.
Json with_edits(const char* edits) {
  return {{"cdiVersion", "1.1.0"}, {"kind", "vendor.com/gpu"}, {"devices", Json::array({{{"name", "0"}, {"containerEdits", Json::parse(edits)}}})}};
}

CdiEdits edits_of(const char* edits) {
  auto spec = parse_cdi_spec(with_edits(edits));
  EXPECT_TRUE(spec) << edits << ": " << spec.error().message();
  return spec ? std::move(spec->devices.at(0).edits) : CdiEdits();
}

std::string complaint(const Json& json) {
  const auto spec = parse_cdi_spec(json);
  EXPECT_FALSE(spec) << json.dump();
  return spec ? "" : spec.error().message();
}

TEST(CdiSpec, HasEveryKindOfEdit) {
  const CdiEdits nodes = edits_of(R"({"deviceNodes": [{"path": "/dev/a", "hostPath": "/dev/b", "type": "c", "permissions": "none"}, {"path": "/dev/fifo", "type": "p"}, {"path": "/dev/c"}]})");
  ASSERT_EQ(nodes.devices.size(), 2U);
  EXPECT_EQ(nodes.devices[0].source, "/dev/b");
  EXPECT_EQ(nodes.devices[0].access, "");
  EXPECT_EQ(nodes.devices[1].access, "rwm");
  ASSERT_EQ(nodes.mounts.size(), 1U);
  EXPECT_EQ(nodes.mounts[0].source, "/dev/fifo");

  const CdiEdits mounts = edits_of(R"({"mounts": [{"hostPath": "/a", "containerPath": "/b", "type": "bind", "options": ["rbind", "rro", "rslave"]},
                                                  {"hostPath": "tmpfs", "containerPath": "/c", "type": "tmpfs", "options": ["size=4k"]},
                                                  {"hostPath": "/a", "containerPath": "/d"}]})");
  ASSERT_EQ(mounts.mounts.size(), 3U);
  EXPECT_FALSE(mounts.mounts[0].writable);
  EXPECT_THAT(mounts.mounts[0].options, ElementsAre("rslave"));
  EXPECT_EQ(mounts.mounts[1].kind, MountPoint::Kind::tmpfs);
  EXPECT_THAT(mounts.mounts[1].options, ElementsAre("size=4k"));
  EXPECT_EQ(mounts.mounts[2].kind, MountPoint::Kind::bind);
  EXPECT_TRUE(mounts.mounts[2].writable);

  EXPECT_THAT(edits_of(R"({"additionalGids": [44, 0], "additionalGIDs": [109]})").groups, ElementsAre(44, 109));
  EXPECT_THAT(edits_of(R"({"intelRdt": {"closID": "gold"}})").left_out, ElementsAre("its share of caches and memory bandwidth (intelRdt) is not set"));
  EXPECT_EQ(edits_of(R"({"netDevices": [{"hostInterfaceName": "ib0", "name": "ib0"}]})").refused, "it has network interfaces, which are not moved into containers here");
  EXPECT_EQ(edits_of(R"({"mounts": [{"hostPath": "x", "containerPath": "/d", "type": "debugfs"}]})").refused, "it wants a file system of type debugfs at /d, which is not mounted here");
  EXPECT_THAT(edits_of(R"({"env": null, "hooks": null})").hooks, IsEmpty());
}

TEST(CdiSpec, TakesANameThatYamlReadsAsANumber) {
  const auto json = yaml_to_json("{cdiVersion: 0.5.0, kind: a/b, devices: [{name: 0, containerEdits: {env: [A=b], deviceNodes: [{path: /dev/a, fileMode: 0666}]}}]}");
  ASSERT_TRUE(json);

  const auto spec = parse_cdi_spec(*json);

  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->devices[0].name, "0");
}

TEST(CdiSpec, SaysWhatIsWrong) {
  EXPECT_EQ(complaint(Json::array()), "it is no object");
  EXPECT_EQ(complaint(Json(nullptr)), "it is no object");
  EXPECT_EQ(complaint({{"kind", "a/b"}}), "cdiVersion is missing");
  EXPECT_EQ(complaint({{"cdiVersion", "2.0.0"}, {"kind", "a/b"}}), "it is of version 2.0.0 of CDI, and 0.1.0 to 1.1.0 are known");
  EXPECT_EQ(complaint({{"cdiVersion", "0.6.0"}, {"kind", "gpu"}}), "the kind \"gpu\" is no VENDOR/CLASS");
  EXPECT_EQ(complaint({{"cdiVersion", "0.6.0"}, {"kind", "a/b/c"}}), "the kind \"a/b/c\" is no VENDOR/CLASS");
  EXPECT_EQ(complaint({{"cdiVersion", "0.6.0"}, {"kind", "a/b"}}), "it has no devices");
  EXPECT_EQ(complaint({{"cdiVersion", "0.6.0"}, {"kind", "a/b"}, {"device", 1}}), "at its top: the field \"device\" is not known");
  EXPECT_EQ(complaint({{"cdiVersion", "0.6.0"}, {"kind", "a/b"}, {"devices", {{{"name", "a"}}, {{"name", "a"}}}}}), "there are two devices called a");
  EXPECT_EQ(complaint({{"cdiVersion", "0.6.0"}, {"kind", "a/b"}, {"devices", {{{"name", "a/b"}}}}}), "devices[0].name: \"a/b\" is no name");
  const auto edits = [](const char* text) { return complaint(with_edits(text)); };
  const std::string at = "devices[0].containerEdits";
  EXPECT_EQ(edits(R"([])"), at + " is no object");
  EXPECT_EQ(edits(R"({"env": "A=b"})"), at + ".env is no list");
  EXPECT_EQ(edits(R"({"env": ["A"]})"), at + ".env: \"A\" is no NAME=VALUE");
  EXPECT_EQ(edits(R"({"deviceNodes": [{"hostPath": "/dev/a"}]})"), at + ".deviceNodes[0].path is missing");
  EXPECT_EQ(edits(R"({"deviceNodes": [{"path": "/dev/a", "major": "195"}]})"), at + ".deviceNodes[0].major is no number from -1 to 4294967295");
  EXPECT_EQ(edits(R"({"deviceNodes": [{"path": "/dev/a", "permissions": "rx"}]})"), at + ".deviceNodes[0].permissions: \"rx\" is none of r, w and m");
  EXPECT_EQ(edits(R"({"deviceNodes": [{"path": "/dev/a", "type": "d"}]})"), at + ".deviceNodes[0].type: \"d\" is none of b, c, u and p");
  EXPECT_EQ(edits(R"({"mounts": [{"hostPath": "/a"}]})"), at + ".mounts[0].containerPath is missing");
  EXPECT_EQ(edits(R"({"hooks": [{"hookName": "createContainer", "path": "hook"}]})"), at + ".hooks[0].path: hook is not an absolute path");
  EXPECT_EQ(edits(R"({"hooks": [{"hookName": "prestop", "path": "/hook"}]})"), at + ".hooks[0].hookName: there is no hook called prestop");
  EXPECT_EQ(edits(R"({"hooks": [{"hookName": "poststop", "path": "/hook", "timeout": 0}]})"), at + ".hooks[0].timeout is no number from 1 to 2147483647");
  EXPECT_EQ(edits(R"({"hooks": [{"hookName": "poststop", "path": "/hook", "env": ["=x"]}]})"), at + ".hooks[0].env: \"=x\" is no NAME=VALUE");
  EXPECT_EQ(edits(R"({"additionalGids": [-1]})"), at + ".additionalGids has what is no group");
}

TEST(CdiSpec, IsNotOfAnOlderVersionThanWhatItHas) {
  const auto needs = [](const char* version, const char* edits) {
    Json json = with_edits(edits);
    json["cdiVersion"] = version;
    json["devices"][0]["name"] = "a";
    return complaint(json);
  };
  const std::string at = "devices[0].containerEdits";
  EXPECT_EQ(needs("0.4.0", R"({"deviceNodes": [{"path": "/dev/a", "hostPath": "/dev/b"}]})"), "it is of version 0.4.0 of CDI, and " + at + ".deviceNodes[0].hostPath needs 0.5.0");
  EXPECT_EQ(needs("0.3.0", R"({"mounts": [{"hostPath": "/a", "containerPath": "/b", "type": "bind"}]})"), "it is of version 0.3.0 of CDI, and " + at + ".mounts[0].type needs 0.4.0");
  EXPECT_EQ(needs("0.6.0", R"({"additionalGids": [1]})"), "it is of version 0.6.0 of CDI, and " + at + ".additionalGids needs 0.7.0");
  EXPECT_EQ(needs("1.0.0", R"({"netDevices": [{}]})"), "it is of version 1.0.0 of CDI, and " + at + ".netDevices needs 1.1.0");
  Json json = with_edits("{}");
  json["cdiVersion"] = "v0.4.0";
  EXPECT_EQ(complaint(json), "it is of version 0.4.0 of CDI, and a name that begins with a digit needs 0.5.0");
}

}  // namespace
}  // namespace acetate::sandbox
