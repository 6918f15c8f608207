// Permission, redirects and tries, against a registry that misbehaves as it is told.
#include "layers/registry/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layers/registry/url.h"
#include "tests/layers/registry/misbehaving.h"

namespace acetate::registry {
namespace {

using test::MisbehavingRegistry;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const Login kLogin{.username = "me", .secret = "pass:word"};
const std::vector<std::string> kTokens{"--auth", "token", "--user", "me:pass:word", "--identity", "long-lived"};

Result<int> get(Registry& registry, const std::string& below, Scope scope = pull_scope("a")) {
  return TRY(registry.send({.url = below, .scope = std::move(scope)})).status();
}

TEST(Registry, ShowsNameAndPasswordWhereBasicIsAsked) {
  MisbehavingRegistry registry({"--auth", "basic", "--user", "me:pass:word"});

  EXPECT_EQ(*get(registry.client({.login = kLogin}), "a/tags/list"), 404);
  const auto wrong = registry.client({.login = Login{.username = "me", .secret = "guess"}}).check_login();
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message(), HasSubstr("refuses the login of \"me\""));
  EXPECT_THAT(wrong.error().message(), Not(HasSubstr("guess")));
  EXPECT_THAT(registry.client().check_login().error().message(), HasSubstr("acetate login " + registry.host()));
}

TEST(Registry, GetsOneTokenForAScopeAndKeepsIt) {
  MisbehavingRegistry registry(kTokens);
  auto& client = registry.client({.login = kLogin});
  registry.reset();

  EXPECT_EQ(*get(client, "a/tags/list"), 404);
  EXPECT_EQ(*get(client, "a/tags/list"), 404);
  EXPECT_EQ(*get(client, "b/tags/list", pull_scope("b")), 404);

  EXPECT_THAT(registry.requests("GET", "/token"), SizeIs(2));
  EXPECT_THAT(registry.requests("GET", "/v2/"), SizeIs(3)) << "the challenge of /v2/ is enough to know where tokens are";
}

TEST(Registry, GetsAnotherTokenWhenOneHasEnded) {
  MisbehavingRegistry registry(kTokens);
  registry.set({{"token_uses", 1}});
  auto& client = registry.client({.login = kLogin});

  for (int i = 0; i < 4; ++i) EXPECT_EQ(*get(client, "a/tags/list"), 404);
  EXPECT_THAT(registry.requests("GET", "/token"), SizeIs(4));
}

TEST(Registry, TakesTheScopeTheRegistryAsksFor) {
  MisbehavingRegistry registry(kTokens);
  auto& client = registry.client({.login = kLogin});

  EXPECT_EQ(*get(client, "a/tags/list", pull_scope("other")), 404);
}

TEST(Registry, ExchangesAnIdentityTokenWithoutShowingItTwice) {
  MisbehavingRegistry registry(kTokens);
  auto& client = registry.client({.login = Login{.username = "", .secret = "long-lived", .identity_token = true}});

  EXPECT_EQ(*get(client, "a/tags/list"), 404);
  EXPECT_THAT(registry.requests("POST", "/token"), SizeIs(1));
  for (const auto& entry : registry.log()) EXPECT_THAT(entry["path"].get<std::string>(), Not(HasSubstr("long-lived")));
}

TEST(Registry, SaysSoWhenTheTokenServerRefuses) {
  MisbehavingRegistry registry(kTokens);
  const auto refused = get(registry.client({.login = Login{.username = "me", .secret = "no"}}), "a/tags/list");

  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(EACCES));
  EXPECT_THAT(refused.error().message(), HasSubstr("acetate login"));
}

TEST(Registry, TakesNoTokenWithoutEnd) {
  MisbehavingRegistry registry(kTokens);
  registry.fault({{"path", "/token"}, {"do", "longer"}, {"by", 2 << 20}});
  const auto refused = get(registry.client({.login = kLogin}), "a/tags/list");

  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(EFBIG)) << refused.error().message();
}

TEST(Registry, SendsNoPasswordInTheClearToAnotherMachineThoughItIsOnThisOneItself) {
  auto arguments = kTokens;
  arguments.insert(arguments.end(), {"--realm", "http://tokens.invalid/token"});
  MisbehavingRegistry registry(arguments);

  const auto refused = registry.client({.login = kLogin}).check_login();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("in the clear to tokens.invalid, which is not done"));
  EXPECT_THAT(registry.client().check_login().error().message(), Not(HasSubstr("in the clear"))) << "what holds no secret may go there";
  EXPECT_THAT(registry.client({.insecure = true, .login = kLogin}).check_login().error().message(), Not(HasSubstr("in the clear")));
}

TEST(Registry, ShowsNoSecretToTheHostItIsSentTo) {
  MisbehavingRegistry registry({"--auth", "basic", "--user", "me:pass:word"});
  auto& client = registry.client({.login = kLogin});
  registry.fault({{"path", "/blobs/"}, {"origin", "home"}, {"do", "redirect"}});

  EXPECT_EQ(*get(client, "a/blobs/sha256:0"), 404);

  const auto log = registry.requests("GET", "/blobs/");
  ASSERT_THAT(log, SizeIs(2));
  EXPECT_TRUE(log[0]["headers"].contains("Authorization"));
  EXPECT_EQ(log[1]["origin"], "elsewhere");
  EXPECT_FALSE(log[1]["headers"].contains("Authorization"));
}

TEST(Registry, AsksForANewAddressWhenASignedOneHasExpired) {
  MisbehavingRegistry registry;
  auto& client = registry.client();
  registry.fault({{"path", "/blobs/"}, {"origin", "home"}, {"do", "redirect"}, {"times", 2}});
  registry.fault({{"path", "/blobs/"}, {"origin", "elsewhere"}, {"do", "status"}, {"status", 403}});

  EXPECT_EQ(*get(client, "a/blobs/sha256:0"), 404);

  const auto log = registry.requests("GET", "/blobs/");
  ASSERT_THAT(log, SizeIs(4));
  EXPECT_NE(log[1]["path"], log[3]["path"]);
}

TEST(Registry, DoesNotFollowRedirectsWithoutEnd) {
  MisbehavingRegistry registry;
  auto& client = registry.client();
  registry.fault({{"path", "/blobs/"}, {"do", "loop"}, {"times", -1}});

  const auto lost = get(client, "a/blobs/sha256:0");
  ASSERT_FALSE(lost);
  EXPECT_TRUE(lost.error().is(ELOOP));
  EXPECT_THAT(registry.requests("GET", "/blobs/"), SizeIs(11));
}

TEST(Registry, IsNotLedOutOfTls) {
  MisbehavingRegistry registry;
  const auto refused = registry.client().leads_to("https://registry.invalid/v2/a/blobs/uploads/", "http://registry.invalid/v2/a/blobs/uploads/1");
  EXPECT_THAT(refused.error().message(), HasSubstr("from https to http://registry.invalid/v2/a/blobs/uploads/1"));
  EXPECT_EQ(*registry.client().leads_to("https://registry.invalid/v2/", "/up"), "https://registry.invalid/up");
  EXPECT_EQ(*registry.client().leads_to("http://registry.invalid/v2/", "http://other.invalid/up"), "http://other.invalid/up");
  EXPECT_TRUE(registry.client({.insecure = true}).leads_to("https://registry.invalid/v2/", "http://registry.invalid/up"));
}

TEST(Registry, WaitsAsLongAsItIsAskedTo) {
  MisbehavingRegistry registry;
  auto& client = registry.client();
  registry.fault({{"path", "/tags/"}, {"do", "status"}, {"status", 429}, {"headers", {{"Retry-After", "7"}}}});

  EXPECT_EQ(*get(client, "a/tags/list"), 404);
  EXPECT_THAT(registry.pauses(), ElementsAre(7000));
}

TEST(Registry, OutlastsAStormOfErrorsAndBrokenConnections) {
  MisbehavingRegistry registry;
  auto& client = registry.client();
  registry.fault({{"path", "/tags/"}, {"do", "status"}, {"status", 503}, {"times", 2}});
  registry.fault({{"path", "/tags/"}, {"do", "reset"}});
  registry.fault({{"path", "/tags/"}, {"do", "garbage"}});

  EXPECT_EQ(*get(client, "a/tags/list"), 404);
  // The kept connection that breaks is one that libcurl opens anew by itself.
  EXPECT_THAT(registry.pauses(), SizeIs(testing::AllOf(testing::Ge(3u), testing::Le(4u))));
}

TEST(Registry, GivesUpOnAStormThatDoesNotEnd) {
  MisbehavingRegistry registry;
  auto& client = registry.client();
  registry.fault({{"path", "/tags/"}, {"do", "status"}, {"status", 500}, {"times", -1}});

  EXPECT_EQ(*get(client, "a/tags/list"), 500);
  EXPECT_THAT(registry.pauses(), SizeIs(5));
}

TEST(Registry, DoesNotRepeatWhatMustNotBeRepeated) {
  MisbehavingRegistry registry;
  auto& client = registry.client();
  registry.fault({{"method", "PATCH"}, {"do", "status"}, {"status", 500}});

  const auto answer = client.send({.method = "PATCH", .url = "a/blobs/uploads/u1", .body = Body::text("x"), .repeatable = false});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 500);
  EXPECT_THAT(registry.pauses(), IsEmpty());
}

TEST(Registry, SaysThatNobodyIsThere) {
  MisbehavingRegistry registry;
  const auto reached = Registry::connect(registry.http(), {.host = "127.0.0.1:1"});

  ASSERT_FALSE(reached);
  EXPECT_TRUE(reached.error().is(ECONNREFUSED));
  EXPECT_THAT(reached.error().message(), HasSubstr("127.0.0.1:1"));
}

TEST(Registry, KnowsWhatIsNoRegistry) {
  MisbehavingRegistry registry;
  registry.fault({{"path", "^/v2/$"}, {"do", "status"}, {"status", 404}, {"times", -1}});
  const auto reached = Registry::connect(registry.http(), {.host = registry.host()});

  ASSERT_FALSE(reached);
  EXPECT_THAT(reached.error().message(), HasSubstr("is no registry"));
}

TEST(Registry, KnowsLoopbackHosts) {
  for (const char* host : {"localhost", "localhost:5000", "127.0.0.1:80", "127.8.9.1", "[::1]:5000"}) EXPECT_TRUE(is_loopback(host)) << host;
  for (const char* host : {"localhost.example", "127.0.0.1.example", "10.0.0.1", "example"}) EXPECT_FALSE(is_loopback(host)) << host;
}

}  // namespace
}  // namespace acetate::registry
