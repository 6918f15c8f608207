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
  // As in the grammar it is from, the registry does not count.
  EXPECT_TRUE(parse_reference("host.example/" + std::string(255, 'x') + ":tag"));
  EXPECT_THAT(parse_reference("host.example/" + std::string(256, 'x')).error().message(), HasSubstr("longer than 255"));
  EXPECT_TRUE(parse_reference(std::string(255 - std::string("library/").size(), 'x')));
  EXPECT_THAT(parse_reference(std::string(256 - std::string("library/").size(), 'x')).error().message(), HasSubstr("longer than 255"));
  std::string deep = "a.b";
  for (int n = 0; n < 127; ++n) deep += "/a";
  EXPECT_TRUE(parse_reference(deep + ":t"));
  EXPECT_TRUE(parse_reference("app:" + std::string(128, 't')));
  EXPECT_THAT(parse_reference("app:" + std::string(129, 't')).error().message(), HasSubstr("up to 128"));
}

// What each name is in full, and how it is shown.
TEST(Reference, Rows) {
  struct Row {
    std::string text, registry, repository, tag, familiar;
  };
  const Row rows[] = {
      {"a_b", "docker.io", "library/a_b", "latest", "a_b"},
      {"a.io:t", "docker.io", "library/a.io", "t", "a.io"},
      {"a.io:5000", "docker.io", "library/a.io", "5000", "a.io"},
      {"a.io/b:t", "a.io", "b", "t", "a.io/b"},
      {"a:5000/b", "a:5000", "b", "latest", "a:5000/b"},
      {"a:5000/b:5001", "a:5000", "b", "5001", "a:5000/b"},
      {"a_b/c", "docker.io", "a_b/c", "latest", "a_b/c"},
      {"low:Up", "docker.io", "library/low", "Up", "low"},
      {"a-b.c.io/d/e/f", "a-b.c.io", "d/e/f", "latest", "a-b.c.io/d/e/f"},
      {"a-b.c.io/d/e/f:some-long-tag", "a-b.c.io", "d/e/f", "some-long-tag", "a-b.c.io/d/e/f"},
      {"a.io/b.io/c-d:e.io", "a.io", "b.io/c-d", "e.io", "a.io/b.io/c-d"},
      {"xn--n3h.com/a:xn--n3h.com", "xn--n3h.com", "a", "xn--n3h.com", "xn--n3h.com/a"},
      {"xn--n3h.com:18080/a", "xn--n3h.com:18080", "a", "latest", "xn--n3h.com:18080/a"},
      {"a/b_c.io:8080", "docker.io", "a/b_c.io", "8080", "a/b_c.io"},
      {"10.1.2.3", "docker.io", "library/10.1.2.3", "latest", "10.1.2.3"},
      {"10.1.2.3:80", "docker.io", "library/10.1.2.3", "80", "10.1.2.3"},
      {"10.1.2.3/a", "10.1.2.3", "a", "latest", "10.1.2.3/a"},
      {"10.1.2.3:80/a:81", "10.1.2.3:80", "a", "81", "10.1.2.3:80/a"},
      {"[2001:db8::1]/a", "[2001:db8::1]", "a", "latest", "[2001:db8::1]/a"},
      {"[2001:db8:1:2:3:4:5:6]/a:t", "[2001:db8:1:2:3:4:5:6]", "a", "t", "[2001:db8:1:2:3:4:5:6]/a"},
      {"[2001:db8::]:80/a:t", "[2001:db8::]:80", "a", "t", "[2001:db8::]:80/a"},
      {"[::1]:80/a/b", "[::1]:80", "a/b", "latest", "[::1]:80/a/b"},
      {"localhost/a", "localhost", "a", "latest", "localhost/a"},
      {"localhost/a/b", "localhost", "a/b", "latest", "localhost/a/b"},
      {"LOCAL/a", "LOCAL", "a", "latest", "LOCAL/a"},
      {"LOCAL/a/b", "LOCAL", "a/b", "latest", "LOCAL/a/b"},
      {"Host/a", "Host", "a", "latest", "Host/a"},
      {"127.0.0.1:80/a/b", "127.0.0.1:80", "a/b", "latest", "127.0.0.1:80/a/b"},
      {"library/a", "docker.io", "library/a", "latest", "a"},
      {"docker.io/a", "docker.io", "library/a", "latest", "a"},
      {"docker.io/library/a", "docker.io", "library/a", "latest", "a"},
      {"docker.io/a/b", "docker.io", "a/b", "latest", "a/b"},
      {"docker.io/library/a/b", "docker.io", "library/a/b", "latest", "library/a/b"},
      {"index.docker.io/a", "docker.io", "library/a", "latest", "a"},
      {"index.docker.io/library/a-1.2", "docker.io", "library/a-1.2", "latest", "a-1.2"},
      {"index.docker.io/a/b", "docker.io", "a/b", "latest", "a/b"},
      {"other/a", "docker.io", "other/a", "latest", "other/a"},
      {"a/library", "docker.io", "a/library", "latest", "a/library"},
      {"store/a/b", "docker.io", "store/a/b", "latest", "store/a/b"},
      {"docker.io/" + kHex, "docker.io", "library/" + kHex, "latest", kHex},
      {kHex.substr(1), "docker.io", "library/" + kHex.substr(1), "latest", kHex.substr(1)},
      {"ab1", "docker.io", "library/ab1", "latest", "ab1"},
      {"a/b", "docker.io", "a/b", "latest", "a/b"},
      {"a-b/c", "docker.io", "a-b/c", "latest", "a-b/c"},
      {"a---b/c", "docker.io", "a---b/c", "latest", "a---b/c"},
      {"a__b/c", "docker.io", "a__b/c", "latest", "a__b/c"},
      {"a-b.io:80/c", "a-b.io:80", "c", "latest", "a-b.io:80/c"},
  };
  for (const Row& row : rows) {
    const auto name = parse_reference(row.text);
    ASSERT_TRUE(name) << row.text << ": " << name.error().message();
    EXPECT_EQ(name->registry, row.registry) << row.text;
    EXPECT_EQ(name->repository, row.repository) << row.text;
    EXPECT_EQ(name->tag, row.tag) << row.text;
    EXPECT_EQ(name->familiar_name(), row.familiar) << row.text;
  }
  for (const std::string text : {"https://a.io/b", "a/B", "-a", "-a/b", "-a.io/b", "a///b", "a.io/B", "a.io/b///c", "[fc00::1]", "[fc00::1]:80", "[fc00::1]:t", "fc00::1:80/a",
                                 "[fe80::1%eth0]:80/a", "[fe80::1%@zone]:80/a", "[2001:db8::192.0.2.1]:80/a", "a-/b", "-a-/b", "____/____", "_a/_b", "a..b/c", "a_.b/c", "a-.b/c", "a/",
                                 ":t", "@sha256:aa", "a@sha256:aaaa", "a@none:aaaa", "Up:t", "a:80/Up/b:t", "a/b$^/c"})
    EXPECT_FALSE(parse_reference(text)) << text;
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
