#include "builder/sandbox/seccomp_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <nlohmann/json.hpp>

#include "base/sys/file.h"
#include "builder/sandbox/mount_options.h"
#include "builder/sandbox/seccomp.h"
#include "builder/sandbox/seccomp_program.h"

namespace acetate::sandbox {
namespace {

constexpr const char* kProfile = R"({
  "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
  "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
              {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}],
  "syscalls": [
    {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": []},
    {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
    {"names": ["unshare"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
    {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64"]}},
    {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
    {"names": ["future"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "99.0"}}]})";

std::vector<std::string> names_of(const Result<nlohmann::ordered_json>& filter) {
  std::vector<std::string> names;
  EXPECT_TRUE(filter) << filter.error().message();
  if (filter)
    for (const auto& rule : (*filter)["syscalls"])
      for (const auto& name : rule["names"]) names.push_back(name);
  return names;
}

TEST(SeccompProfile, IsResolvedByCapabilitiesArchitectureAndKernel) {
  using ::testing::ElementsAre;
  EXPECT_THAT(names_of(resolve_profile(kProfile, {}, "amd64", "6.1.0")), ElementsAre("read", "unshare", "arch_prctl", "ptrace"));
  EXPECT_THAT(names_of(resolve_profile(kProfile, {"CAP_SYS_ADMIN"}, "arm64", "4.7")), ElementsAre("read", "mount"));
  const auto filter = resolve_profile(kProfile, {}, "arm64", "6.1");
  EXPECT_EQ((*filter)["architectures"], (nlohmann::ordered_json{"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"}));
  EXPECT_EQ((*filter)["defaultErrnoRet"], 38);
}

TEST(SeccompProfile, OfAnotherShapeIsRefused) {
  for (const char* text : {"", "[]", "{}", R"({"defaultAction": 1, "syscalls": [{"names": ["a"]}]})"})
    EXPECT_FALSE(resolve_profile(text, {}, "amd64", "6.1")) << text;
}

TEST(SeccompProfile, OfThisSystemCompiles) {
  const auto text = sys::read_file("/usr/share/containers/seccomp.json", 1 << 20);
  if (!text) GTEST_SKIP() << "there is no /usr/share/containers/seccomp.json (apt install golang-github-containers-common)";
  const auto filter = resolve_profile(*text, run_capabilities());
  ASSERT_TRUE(filter) << filter.error().message();

  const auto program = seccomp_program(*filter);

  ASSERT_TRUE(program) << program.error().message();
  EXPECT_GT(program->size(), 1000U);
  EXPECT_EQ(program->size() % 8, 0U) << "not whole instructions";
}

TEST(SeccompProgram, IsCompiledOfOurOwnFilters) {
  for (const IdMode ids : {IdMode::single, IdMode::range}) {
    Spec spec{.argv = {"x"}, .ids = ids};
    spec.capabilities = run_capabilities();
    const auto program = seccomp_program(*seccomp_filter(spec));
    ASSERT_TRUE(program) << program.error().message();
    EXPECT_GT(program->size(), 100U);
  }
}

TEST(SeccompProgram, OfAnActionNobodyKnowsIsRefused) {
  EXPECT_FALSE(seccomp_program({{"defaultAction", "SCMP_ACT_WIBBLE"}, {"syscalls", nlohmann::ordered_json::array()}}));
}

TEST(MountOptions, AreFlagsPropagationAndData) {
  const auto options = parse_mount_options({"rbind", "rslave", "nosuid", "rw", "ro", "mode=755", "size=4k"});

  EXPECT_TRUE(options.bind);
  EXPECT_TRUE(options.recursive);
  EXPECT_EQ(options.flags, static_cast<unsigned long>(MS_NOSUID | MS_RDONLY));
  EXPECT_EQ(options.propagation, static_cast<unsigned long>(MS_SLAVE | MS_REC));
  EXPECT_EQ(options.data, "mode=755,size=4k");
  EXPECT_TRUE(parse_mount_options({"bind", "rro"}).read_only_below);
}

}  // namespace
}  // namespace acetate::sandbox
