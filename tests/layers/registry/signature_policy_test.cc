#include "layers/registry/signature_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sys/file.h"
#include "tests/support/temp_dir.h"

namespace acetate::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const char* const kPolicy = R"({
  "default": [{"type": "reject"}],
  "transports": {
    "docker": {
      "": [{"type": "insecureAcceptAnything"}],
      "quay.io": [{"type": "reject"}],
      "quay.io/good": [{"type": "insecureAcceptAnything"}],
      "quay.io/good/app:bad": [{"type": "reject"}],
      "registry.redhat.io": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/etc/pki/key"}],
      "*.corp.example": [{"type": "reject"}]
    },
    "dir": {"/srv/images": [{"type": "insecureAcceptAnything"}]}
  }
})";

int verdict(std::string_view name) {
  const auto policy = SignaturePolicy::of(kPolicy, "policy.json");
  EXPECT_TRUE(policy) << policy.error().message();
  const auto said = policy->check("docker", policy_scopes(*image::parse_reference(name)));
  return said ? 0 : said.error().code();
}

TEST(SignaturePolicy, TheNearestScopeDecides) {
  EXPECT_EQ(verdict("alpine"), 0);
  EXPECT_EQ(verdict("quay.io/other/app"), EPERM);
  EXPECT_EQ(verdict("quay.io/good/app"), 0);
  EXPECT_EQ(verdict("quay.io/good/app:bad"), EPERM);
  EXPECT_EQ(verdict("quay.io.evil.example/good/app"), 0) << "a host is no prefix of text";
  EXPECT_EQ(verdict("a.b.corp.example:5000/app"), EPERM);
  EXPECT_EQ(verdict("corp.example/app"), 0) << "*. are the domains below";
}

TEST(SignaturePolicy, WhatMustBeSignedIsRefused) {
  const auto policy = SignaturePolicy::of(kPolicy, "policy.json");
  const auto said = policy->check("docker", policy_scopes(*image::parse_reference("registry.redhat.io/ubi9")));

  ASSERT_FALSE(said);
  EXPECT_TRUE(said.error().is(EPERM));
  EXPECT_THAT(said.error().message(), HasSubstr("must be signed, says policy.json (\"registry.redhat.io\")"));
}

TEST(SignaturePolicy, TransportsOfPathsHaveScopesOfPaths) {
  const auto policy = SignaturePolicy::of(kPolicy, "policy.json");

  EXPECT_TRUE(policy->check("dir", policy_scopes("/srv/images/app")));
  EXPECT_FALSE(policy->check("dir", policy_scopes("/srv/other")));
  EXPECT_FALSE(policy->check("oci", policy_scopes("/srv/images/app"))) << "the default of all";
}

TEST(SignaturePolicy, ScopesOfANameComeNearestFirst) {
  EXPECT_THAT(policy_scopes(*image::parse_reference("reg.a.example:5000/x/y:1")),
              ElementsAre("reg.a.example:5000/x/y:1", "reg.a.example:5000/x/y", "reg.a.example:5000/x", "reg.a.example:5000", "*.a.example",
                          "*.example"));
  EXPECT_THAT(policy_scopes("/a/b"), ElementsAre("/a/b", "/a"));
}

class StrictPolicy : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(StrictPolicy, RefusesWhatTheFormatDoesNotHave) {
  const auto policy = SignaturePolicy::of(GetParam().first, "policy.json");

  ASSERT_FALSE(policy);
  EXPECT_TRUE(policy.error().is(EINVAL));
  EXPECT_THAT(policy.error().message(), HasSubstr(GetParam().second));
}

INSTANTIATE_TEST_SUITE_P(
    All, StrictPolicy,
    testing::Values(std::pair("{}", "no \"default\""), std::pair("[]", "no \"default\""), std::pair("{", "policy.json"),
                    std::pair(R"({"default": []})", "no list"), std::pair(R"({"default": [{"type": "accept"}]})", "no requirement \"accept\""),
                    std::pair(R"({"default": [{}]})", "has a \"type\""), std::pair(R"({"default": ["reject"]})", "has a \"type\""),
                    std::pair(R"({"default": [{"type": "reject", "but": 1}]})", "knows no \"but\""),
                    std::pair(R"({"default": [{"type": "reject"}], "transport": {}})", "knows no \"transport\""),
                    std::pair(R"({"default": [{"type": "reject"}], "default": [{"type": "insecureAcceptAnything"}]})", "there twice"),
                    std::pair(R"({"default": [{"type": "reject"}], "transports": []})", "no object"),
                    std::pair(R"({"default": [{"type": "reject"}], "transports": {"docker": []}})", "no object"),
                    std::pair(R"({"default": [{"type": "reject"}], "transports": {"docker": {"": {}}}})", "no list")));

TEST(SignaturePolicy, TheUsersFileIsAskedBeforeTheSystems) {
  test::TempDir home;
  home.mkdir(".config");
  home.mkdir(".config/containers");
  home.write(".config/containers/policy.json", R"({"default": [{"type": "reject"}]})");
  const auto environment = [&](std::string_view name) -> std::optional<std::string> {
    return name == "HOME" ? std::optional(home.path()) : std::nullopt;
  };

  const auto policy = SignaturePolicy::load(environment);

  ASSERT_TRUE(policy) << policy.error().message();
  EXPECT_FALSE(policy->check("docker", policy_scopes(*image::parse_reference("alpine"))));
}

TEST(SignaturePolicy, WithoutAFileEverythingMayBeUsed) {
  EXPECT_TRUE(SignaturePolicy().check("docker", {"docker.io/library/alpine:latest"}));
}

}  // namespace
}  // namespace acetate::registry
