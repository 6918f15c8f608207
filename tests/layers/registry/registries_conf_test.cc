#include "layers/registry/registries_conf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace acetate::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

RegistriesConf parsed(std::string_view toml) {
  auto conf = parse_registries_conf(toml, "registries.conf");
  EXPECT_TRUE(conf) << conf.error().message();
  return conf ? *std::move(conf) : RegistriesConf{};
}

const char* const kMirrors = R"(
[[registry]]
prefix = "docker.io"
location = "internal.example/hub"
[[registry.mirror]]
location = "mirror-1.example"
insecure = true
[[registry.mirror]]
location = "mirror-2.example/deep"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "mirror-3.example"
pull-from-mirror = "tag-only"

[[registry]]
location = "docker.io/library"
blocked = true

[[registry]]
prefix = "*.corp.example"
insecure = true
)";

TEST(RegistriesConf, LeavesANameAloneThatNoRuleIsFor) {
  EXPECT_THAT(*places_to_pull({}, "quay.io", "a/b", ":latest"), ElementsAre(Place{.host = "quay.io", .repository = "a/b"}));
  EXPECT_EQ(*place_to_push({}, "quay.io", "a/b"), (Place{.host = "quay.io", .repository = "a/b"}));
}

TEST(RegistriesConf, TriesMirrorsFirstAndThoseThatServeOnly) {
  const auto conf = parsed(kMirrors);
  const Place first{.host = "mirror-1.example", .repository = "a/b", .insecure = true};
  const Place own{.host = "internal.example", .repository = "hub/a/b"};

  EXPECT_THAT(*places_to_pull(conf, "docker.io", "a/b", ":latest"),
              ElementsAre(first, Place{.host = "mirror-3.example", .repository = "a/b"}, own));
  EXPECT_THAT(*places_to_pull(conf, "docker.io", "a/b", "@sha256:0"),
              ElementsAre(first, Place{.host = "mirror-2.example", .repository = "deep/a/b"}, own));
}

TEST(RegistriesConf, NeverPushesToAMirror) {
  EXPECT_EQ(*place_to_push(parsed(kMirrors), "docker.io", "a/b"), (Place{.host = "internal.example", .repository = "hub/a/b"}));
}

TEST(RegistriesConf, FollowsTheLongestPrefixAndOnlyWholeComponents) {
  const auto conf = parsed(kMirrors);

  const auto blocked = places_to_pull(conf, "docker.io", "library/debian", ":12");
  ASSERT_FALSE(blocked);
  EXPECT_TRUE(blocked.error().is(EACCES));
  EXPECT_THAT(blocked.error().message(), HasSubstr("docker.io/library/debian:12"));
  EXPECT_TRUE(places_to_pull(conf, "docker.io", "library2/debian", ":12"));
  EXPECT_EQ(places_to_pull(conf, "docker.io.evil.example", "a", ":1")->front().host, "docker.io.evil.example");
}

TEST(RegistriesConf, KnowsWildcardsOfDomains) {
  const auto conf = parsed(kMirrors);
  EXPECT_TRUE(place_to_push(conf, "build.corp.example", "a")->insecure);
  EXPECT_TRUE(place_to_push(conf, "build.corp.example:5000", "a")->insecure);
  EXPECT_FALSE(place_to_push(conf, "corp.example", "a")->insecure);
  EXPECT_FALSE(place_to_push(conf, "evil.example", "x.corp.example")->insecure);
}

TEST(RegistriesConf, CompletesShortNamesAsDockerWithoutAFile) {
  EXPECT_THAT(*full_names({}, "debian:12"), ElementsAre("docker.io/library/debian:12"));
  EXPECT_THAT(*full_names({}, "me/app"), ElementsAre("docker.io/me/app"));
}

TEST(RegistriesConf, CompletesShortNamesByAliasThenBySearch) {
  auto conf = parsed(R"(
unqualified-search-registries = ["quay.io", "docker.io"]
short-name-mode = "permissive"
[aliases]
fedora = "registry.fedoraproject.org/fedora"
gone = ""
)");
  EXPECT_THAT(*full_names(conf, "fedora:40"), ElementsAre("registry.fedoraproject.org/fedora:40"));
  EXPECT_THAT(*full_names(conf, "gone"), ElementsAre("quay.io/gone", "docker.io/library/gone"));
  EXPECT_THAT(*full_names(conf, "me/app@sha256:1"), ElementsAre("quay.io/me/app@sha256:1", "docker.io/me/app@sha256:1"));

  conf.short_names = ShortNames::enforcing;
  const auto asked = full_names(conf, "app");
  ASSERT_FALSE(asked);
  EXPECT_THAT(asked.error().message(), HasSubstr("quay.io/app"));
}

TEST(RegistriesConf, MovesWhatARuleNamesWithItsTag) {
  const auto conf = parsed(R"(
[[registry]]
prefix = "reg.example/a:1"
location = "other.example/mir/a:1"
[[registry]]
prefix = "reg.example/b:1"
location = "other.example:5000/b"
[[registry.mirror]]
location = "mirror.example/c:2"
[[registry]]
prefix = "reg.example/d@sha256:0"
location = "other.example/d"
)");
  EXPECT_THAT(*places_to_pull(conf, "reg.example", "a", ":1"), ElementsAre(Place{.host = "other.example", .repository = "mir/a"}));
  EXPECT_THAT(*places_to_pull(conf, "reg.example", "a", ":12"), ElementsAre(Place{.host = "reg.example", .repository = "a"}));
  EXPECT_THAT(places_to_pull(conf, "reg.example", "b", ":1").error().message(), HasSubstr("mirror.example/c:2, which has another tag"));
  EXPECT_THAT(*places_to_pull(conf, "reg.example", "d", "@sha256:0"), ElementsAre(Place{.host = "other.example", .repository = "d"}));
  EXPECT_EQ(*place_to_push(conf, "reg.example", "a"), (Place{.host = "reg.example", .repository = "a"}));
}

TEST(RegistriesConf, TellsEveryNameThatSomethingHereMayHaveComeBy) {
  EXPECT_THAT(names_here({}, "app"), ElementsAre("docker.io/library/app", "localhost/app"));
  const auto conf = parsed(R"(
unqualified-search-registries = ["quay.io", "docker.io"]
[aliases]
fedora = "registry.fedoraproject.org/fedora"
)");
  EXPECT_THAT(names_here(conf, "fedora:40"), ElementsAre("registry.fedoraproject.org/fedora:40", "docker.io/library/fedora:40",
                                                         "localhost/fedora:40", "quay.io/fedora:40", "docker.io/library/fedora:40"));
  EXPECT_THAT(names_here(conf, "me/app"), ElementsAre("docker.io/me/app", "localhost/me/app", "quay.io/me/app", "docker.io/me/app"));
}

TEST(RegistriesConf, SaysWhichLineIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"unqualified-search-registries = 7", "registries.conf:1: \"unqualified-search-registries\""},
      {"\n[[registry]]\nlocation = \"a\"\ninsecure = \"yes\"", "registries.conf:4: \"insecure\""},
      {"[[registry]]\ninsecure = true", "prefix"},
      {"short-name-mode = \"odd\"", "enforcing"},
      {"a = = b", "registries.conf:1"},
      {"[\u00e9]\na = 1", "registries.conf: it is no TOML"},
      {"[registries.search]\nregistries = ['docker.io']", "second"},
      {"[[registry]]\nlocation='a'\n[[registry.mirror]]\ninsecure=true", "location"},
  };
  for (const auto& [text, words] : cases) {
    const auto conf = parse_registries_conf(text, "registries.conf");
    ASSERT_FALSE(conf) << text;
    EXPECT_THAT(conf.error().message(), HasSubstr(words)) << text;
  }
}

TEST(RegistriesConf, ReadsTheUsersFileAndItsDropInsInOrder) {
  const test::TempDir dir;
  dir.write("containers/registries.conf", "unqualified-search-registries = ['one.example']\n[aliases]\na = 'x/a'\nb = 'x/b'\n");
  dir.write("containers/registries.conf.d/20.conf", "[aliases]\na = 'z/a'\n");
  dir.write("containers/registries.conf.d/10.conf", "unqualified-search-registries = ['two.example']\n[aliases]\na = 'y/a'\n");
  dir.write("containers/registries.conf.d/30.txt", "nonsense = =");
  const auto conf = load_registries_conf([&](const char* name) -> std::optional<std::string> {
    if (std::string_view(name) == "XDG_CONFIG_HOME") return dir.path();
    return std::nullopt;
  });

  ASSERT_TRUE(conf) << conf.error().message();
  EXPECT_EQ(conf->aliases.at("a"), "z/a");
  EXPECT_EQ(conf->aliases.at("b"), "x/b");
  EXPECT_THAT(conf->search, ElementsAre("two.example"));
}

}  // namespace
}  // namespace acetate::registry
