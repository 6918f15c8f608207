#include "layers/image/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acetate::image {
namespace {

using ::testing::HasSubstr;

const std::string kHex(64, 'a');

TEST(Reference, IsCompletedAsDockerDoes) {
  const std::pair<std::string, std::string> rows[] = {
      {"alpine", "docker.io/library/alpine:latest"},
      {"alpine:3.18", "docker.io/library/alpine:3.18"},
      {"user/app", "docker.io/user/app:latest"},
      {"docker.io/alpine", "docker.io/library/alpine:latest"},
      {"index.docker.io/alpine", "docker.io/library/alpine:latest"},
      {"index.docker.io/user/app:1", "docker.io/user/app:1"},
      {"localhost/app", "localhost/app:latest"},
      {"localhost:5000/app:v1", "localhost:5000/app:v1"},
      {"quay.io/a/b/c:Tag_1.2-x", "quay.io/a/b/c:Tag_1.2-x"},
      {"[fd00:1::2]:5000/app", "[fd00:1::2]:5000/app:latest"},
      {"[::1]/app", "[::1]/app:latest"},
      {"HOST/app", "HOST/app:latest"},
      {"a__b-c---d/f_g.h", "docker.io/a__b-c---d/f_g.h:latest"},
      {"app@sha256:" + kHex, "docker.io/library/app@sha256:" + kHex},
      {"app:v1@sha256:" + kHex, "docker.io/library/app:v1@sha256:" + kHex},
      {"host.example:443/app@sha256:" + kHex, "host.example:443/app@sha256:" + kHex},
      {"app:v1@sha512:" + kHex + kHex, "docker.io/library/app:v1@sha512:" + kHex + kHex},
      {"a/" + kHex, "docker.io/a/" + kHex + ":latest"},
  };
  for (const auto& [text, normal] : rows) {
    const auto reference = parse_reference(text);
    ASSERT_TRUE(reference) << text << ": " << reference.error().message();
    EXPECT_EQ(reference->str(), normal) << text;
    const auto again = parse_reference(normal);
    ASSERT_TRUE(again) << normal;
    EXPECT_EQ(*again, *reference) << normal;
  }
}

TEST(Reference, ThatIsNoneIsRefusedWithWords) {
  const std::string rows[] = {"",        ":",         "/app",       "app/",     "a//b",        "-app",      "app-",
                              "a..b",    "a___b",     "a._b",       ".a",       "app:",        "app:-x",    "app:.x",
                              "app:a b", "app@",      "app@sha256", "a b",      "host:x/app",  "host:/app", "-h.io/app",
                              "h-.io/a", "[::1/app",  "[::g]/app",  "[]/a",     "[::1]x/app",  "../x",      "a/../b",
                              "app\n",   "h..io/app", "app@md5:00", "caf\xc3\xa9", "docker.io/", "docker.io", "a/b@@"};
  for (const auto& text : rows) {
    // "docker.io" alone is a name like any other.
    if (text == "docker.io") continue;
    EXPECT_FALSE(parse_reference(text)) << text;
  }
  EXPECT_THAT(parse_reference("Alpine").error().message(), HasSubstr("lower case"));
  EXPECT_THAT(parse_reference("docker.io/User/app").error().message(), HasSubstr("lower case"));
  EXPECT_THAT(parse_reference(kHex).error().message(), HasSubstr("is an image's id and not a name"));
  EXPECT_TRUE(parse_reference("app@sha384:" + kHex).error().is(ENOTSUP));
}

TEST(Reference, HasLimits) {
  const std::string path(255 - std::string("docker.io/").size(), 'x');
  EXPECT_TRUE(parse_reference("docker.io/a/" + path.substr(2)));
  EXPECT_THAT(parse_reference("docker.io/a/" + path.substr(1)).error().message(), HasSubstr("longer than 255"));
  EXPECT_TRUE(parse_reference("app:" + std::string(128, 't')));
  EXPECT_THAT(parse_reference("app:" + std::string(129, 't')).error().message(), HasSubstr("up to 128"));
}

TEST(Reference, IsShownAsItWouldBeTyped) {
  const std::pair<const char*, const char*> rows[] = {{"docker.io/library/alpine:3", "alpine:3"},
                                                      {"docker.io/user/app", "user/app:latest"},
                                                      {"docker.io/library/a/b", "library/a/b:latest"},
                                                      {"localhost/app", "localhost/app:latest"}};
  for (const auto& [text, familiar] : rows) EXPECT_EQ(parse_reference(text)->familiar(), familiar) << text;
}

TEST(Reference, IsShortWithoutARegistry) {
  for (const char* text : {"alpine", "user/app", "a.b:tag"}) EXPECT_TRUE(is_short_name(text)) << text;
  for (const char* text : {"docker.io/alpine", "localhost/app", "h:1/app", "[::1]/app"})
    EXPECT_FALSE(is_short_name(text)) << text;
}

}  // namespace
}  // namespace acetate::image
