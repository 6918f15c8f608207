// Which places a name leads to, and what each of them is shown.
#include "layers/registry/remotes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/layers/registry/misbehaving.h"
#include "tests/layers/registry/stored_sample.h"
#include "tests/support/temp_dir.h"

namespace acetate::registry {
namespace {

using test::MisbehavingRegistry;
using testing::IsEmpty;
using testing::Not;

const std::vector<std::string> kOursOnly{"--auth", "basic", "--user", "me:pass:word"};

class RemotesTest : public testing::Test {
 protected:
  const test::TempDir home_;

  // The configuration is `conf`, and nothing of whoever runs this.
  std::unique_ptr<Remotes> remotes(const std::string& conf, RemoteOptions options) {
    home_.write("registries.conf", conf);
    const Environment environment = [this](const char* name) -> std::optional<std::string> {
      if (name == std::string_view("HOME")) return home_.path();
      if (name == std::string_view("CONTAINERS_REGISTRIES_CONF")) return home_ / "registries.conf";
      return std::nullopt;
    };
    auto made = Remotes::make(environment, 0, std::move(options));
    if (!made) ADD_FAILURE() << made.error().message();
    return made ? *std::move(made) : nullptr;
  }

  static std::vector<std::string> shown_to(MisbehavingRegistry& registry) {
    std::vector<std::string> shown;
    for (const auto& entry : registry.log())
      if (entry["headers"].contains("Authorization")) shown.push_back(entry["headers"]["Authorization"]);
    return shown;
  }
};

std::string mirrored(MisbehavingRegistry& typed, MisbehavingRegistry& mirror) {
  return fmt::format("[[registry]]\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}\"\n", typed.host(), mirror.host());
}

TEST_F(RemotesTest, ShowALoginThatWasGivenToTheRegistryOfTheNameAlone) {
  MisbehavingRegistry typed(kOursOnly), mirror(kOursOnly);
  const auto remotes = this->remotes(mirrored(typed, mirror), {.login = Login{.username = "me", .secret = "pass:word"}});
  ASSERT_NE(remotes, nullptr);

  std::vector<std::string> asked;
  const auto pulled = remotes->pull_from_first(test::reference(typed.host() + "/a:1"), [&](Repository& repository) -> Result<void> {
    asked.push_back(repository.registry().host());
    TRY(repository.tags());
    return {};
  });

  EXPECT_TRUE(pulled.error().is(ENOENT)) << pulled.error().message();
  EXPECT_THAT(asked, testing::ElementsAre(mirror.host(), typed.host()));
  EXPECT_THAT(shown_to(mirror), IsEmpty());
  EXPECT_THAT(shown_to(typed), Not(IsEmpty()));
}

TEST_F(RemotesTest, LookNowhereElseWhenTheTroubleIsOurOwn) {
  MisbehavingRegistry typed, mirror;
  const auto remotes = this->remotes(mirrored(typed, mirror), {});
  ASSERT_NE(remotes, nullptr);

  int asked = 0;
  const auto pulled = remotes->pull_from_first(test::reference(typed.host() + "/a:1"), [&](Repository&) -> Result<void> {
    ++asked;
    return fail(ENOSPC, "the disk is full");
  });

  EXPECT_TRUE(pulled.error().is(ENOSPC));
  EXPECT_EQ(asked, 1);
}

TEST_F(RemotesTest, DoNotWaitWhereNobodyListensUnlessTold) {
  std::vector<long> pauses;
  RemoteOptions options;
  options.retry.sleep = [&](std::chrono::milliseconds pause) { pauses.push_back(pause.count()); };
  const auto remotes = this->remotes("[[registry]]\nlocation = \"127.0.0.1:1\"\n", options);
  ASSERT_NE(remotes, nullptr);

  const auto pulled = remotes->pull_from_first(test::reference("127.0.0.1:1/a:1"), [](Repository&) -> Result<void> { return {}; });

  EXPECT_TRUE(pulled.error().is(ECONNREFUSED));
  EXPECT_THAT(pulled.error().message(), testing::HasSubstr("127.0.0.1:1"));
  EXPECT_THAT(pauses, IsEmpty());
}

TEST_F(RemotesTest, WaitForTheLastPlaceAlone) {
  std::vector<long> pauses;
  RemoteOptions options;
  options.insists = true;
  options.retry.attempts = 3;
  options.retry.sleep = [&](std::chrono::milliseconds pause) { pauses.push_back(pause.count()); };
  const auto remotes = this->remotes("[[registry]]\nlocation = \"127.0.0.1:1\"\n[[registry.mirror]]\nlocation = \"localhost:1\"\n", options);
  ASSERT_NE(remotes, nullptr);

  const auto nothing = [](Repository&) -> Result<void> { return {}; };
  EXPECT_TRUE(remotes->pull_from_first(test::reference("127.0.0.1:1/a:1"), nothing).error().is(ECONNREFUSED));
  EXPECT_THAT(pauses, testing::SizeIs(2));
  EXPECT_TRUE(remotes->to_push(test::reference("127.0.0.1:1/a:1")).error().is(ECONNREFUSED));
  EXPECT_THAT(pauses, testing::SizeIs(4));
  EXPECT_TRUE(remotes->at({.host = "127.0.0.1:1", .repository = "a"}).error().is(ECONNREFUSED));
  EXPECT_THAT(pauses, testing::SizeIs(4)) << "the fetcher has other places, and readers who wait";
}

TEST_F(RemotesTest, PushToWhereAnotherNameLeadsWithoutThatLogin) {
  MisbehavingRegistry elsewhere(kOursOnly);
  const auto conf = fmt::format("[[registry]]\nprefix = \"registry.invalid\"\nlocation = \"{}\"\n", elsewhere.host());
  const auto remotes = this->remotes(conf, {.login = Login{.username = "me", .secret = "pass:word"}});
  ASSERT_NE(remotes, nullptr);

  auto repository = remotes->to_push(test::reference("registry.invalid/a:1"));
  ASSERT_TRUE(repository) << repository.error().message();
  EXPECT_TRUE(repository->tags().error().is(EACCES));
  EXPECT_THAT(shown_to(elsewhere), IsEmpty());
}

}  // namespace
}  // namespace acetate::registry
