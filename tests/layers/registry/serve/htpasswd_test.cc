#include "layers/registry/serve/htpasswd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"

namespace acetate::registry {
namespace {

// "secret", by `openssl passwd -6` and `htpasswd -B`.
constexpr const char* kSha512 =
    "$6$rounds=1000$74UFzg9ziXAOmqyi$v6Y7LaffeG3Nr."
    "OcEeMrkVEeZICIu8IoaU0WP9FahsmNeF2Zc3VWiX2KrOIvOY2dfbFQWcApCSOZtBwsOov7f1";
constexpr const char* kBcrypt = "$2b$04$LiZUBzMs7fMsKtyfelQS8u7cZHtiLWYFpgX7y0x3TtzbsW2WYz272";

std::string basic(const std::string& pair) { return "Basic " + base64_encode(pair); }

TEST(Htpasswd, LetsInWhoKnowsThePassword) {
  auto parsed =
      Htpasswd::parse(std::string("# people\n\nann:") + kSha512 + "\r\nbob:" + kBcrypt + "\n", "users");
  ASSERT_TRUE(parsed) << parsed.error().message();
  Htpasswd users(*std::move(parsed));

  for (int again = 0; again < 2; ++again) {
    EXPECT_TRUE(users.accepts(basic("ann:secret")));
    EXPECT_TRUE(users.accepts(basic("bob:secret")));
    for (const auto& wrong :
         {basic("ann:Secret"), basic("ann:"), basic("carl:secret"), basic("ann"), std::string("Basic !"),
          std::string(), std::string("Bearer x"), "basic " + base64_encode("ann:secret")})
      EXPECT_FALSE(users.accepts(wrong)) << wrong;
  }
}

TEST(Htpasswd, RefusesWeakHashesAndNonsense) {
  for (const char* text : {"ann:$apr1$x$y", "ann:plain", "ann", ":$6$x$y", "ann:"}) {
    const auto parsed = Htpasswd::parse(text, "users");
    ASSERT_FALSE(parsed) << text;
    EXPECT_THAT(parsed.error().message(), testing::HasSubstr("users:1"));
  }
}

}  // namespace
}  // namespace acetate::registry
