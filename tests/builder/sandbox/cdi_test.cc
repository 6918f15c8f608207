#include "builder/sandbox/cdi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace acetate::sandbox {
namespace {

using ::testing::ElementsAre;

TEST(Cdi, GivesWhatADeviceConsistsOf) {
  const test::TempDir dir;
  dir.write("cdi/gpu.json", R"({"cdiVersion": "0.6.0", "kind": "vendor.com/gpu",
    "devices": [{"name": "0", "containerEdits": {"deviceNodes": [{"path": "/dev/gpu0", "permissions": "rw"}], "env": ["GPU=0"]}},
                {"name": "1", "containerEdits": {"deviceNodes": [{"path": "/dev/gpu1", "hostPath": "/dev/real1"}]}}],
    "containerEdits": {"mounts": [{"hostPath": "/usr/lib/gpu.so", "containerPath": "/usr/lib/gpu.so", "options": ["ro", "nosuid", "bind"]}]}})");
  Spec spec;

  ASSERT_TRUE(add_cdi_device("vendor.com/gpu=1", spec, {dir / "absent", dir / "cdi"}));

  ASSERT_EQ(spec.devices.size(), 1U);
  EXPECT_EQ(spec.devices[0].source, "/dev/real1");
  EXPECT_EQ(spec.devices[0].target, "/dev/gpu1");
  ASSERT_EQ(spec.mounts.size(), 1U);
  EXPECT_FALSE(spec.mounts[0].writable);
  EXPECT_THAT(spec.mounts[0].options, ElementsAre("nosuid"));
  Spec all;
  ASSERT_TRUE(add_cdi_device("vendor.com/gpu=all", all, {dir / "cdi"}));
  EXPECT_EQ(all.devices.size(), 2U);
  EXPECT_THAT(all.env, ElementsAre("GPU=0"));
  EXPECT_FALSE(add_cdi_device("vendor.com/gpu=7", spec, {dir / "cdi"}));
}

TEST(Cdi, HasTheLastWordOnTheEnvironment) {
  const test::TempDir dir;
  dir.write("cdi/gpu.json", R"({"cdiVersion": "0.6.0", "kind": "vendor.com/gpu",
    "devices": [{"name": "0", "containerEdits": {"env": ["VISIBLE=void"]}}, {"name": "1", "containerEdits": {"env": ["VISIBLE=void"]}}]})");
  Spec spec{.env = {"A=b", "VISIBLE=all", "VISIBLE_TOO=x"}};

  ASSERT_TRUE(add_cdi_device("vendor.com/gpu=all", spec, {dir / "cdi"}));

  EXPECT_THAT(spec.env, ElementsAre("A=b", "VISIBLE_TOO=x", "VISIBLE=void"));
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
}

}  // namespace
}  // namespace acetate::sandbox
