#include "layers/registry/url.h"

#include <gtest/gtest.h>

#include "layers/registry/link_header.h"

namespace acetate::registry {
namespace {

TEST(Url, KnowsTheOrigin) {
  EXPECT_EQ(parse_url("https://Example.org/v2/?a=b")->port, "443");
  EXPECT_EQ(parse_url("http://127.0.0.1:5000/v2/")->origin(), "http://127.0.0.1:5000");
  EXPECT_EQ(parse_url("https://a:443/")->origin(), parse_url("https://a/x")->origin());
  EXPECT_NE(parse_url("https://a:444/")->origin(), parse_url("https://a/")->origin());
  EXPECT_EQ(parse_url("https://a:443/")->authority(), "a");
  EXPECT_EQ(parse_url("https://a:80/")->authority(), "a:80");
}

TEST(Url, RefusesOtherSchemesAndPasswords) {
  for (const char* text : {"file:///etc/passwd", "ftp://a/", "nonsense", "", "https://user:secret@host/", "gopher://a"})
    EXPECT_FALSE(parse_url(text)) << text;
}

TEST(Url, ResolvesALocationAgainstWhereItWasFound) {
  const std::string base = "https://a/v2/x/blobs/uploads/?n=1";

  EXPECT_EQ(*resolve_url(base, "/v2/y?state=1"), "https://a/v2/y?state=1");
  EXPECT_EQ(*resolve_url(base, "z"), "https://a/v2/x/blobs/uploads/z");
  EXPECT_EQ(*resolve_url(base, "//b/c"), "https://b/c");
  EXPECT_EQ(*resolve_url(base, "http://c:1/d"), "http://c:1/d");
  EXPECT_FALSE(resolve_url(base, "file:///etc/passwd"));
}

TEST(Url, AddsQueriesBehindThoseThatAreThere) {
  EXPECT_EQ(with_query("https://a/b", "digest", "sha256:0a"), "https://a/b?digest=sha256%3A0a");
  EXPECT_EQ(with_query("https://a/b?s=1", "x y", "&"), "https://a/b?s=1&x%20y=%26");
}

TEST(LinkHeader, FindsTheNextPage) {
  EXPECT_EQ(next_page({R"(</v2/a/tags/list?n=2&last=b>; rel="next")"}), "/v2/a/tags/list?n=2&last=b");
  EXPECT_EQ(next_page({"<a>; rel=\"prev\", <b>; rel=next"}), "b");
  EXPECT_EQ(next_page({"<a>; rel=\"prev\""}), std::nullopt);
  EXPECT_EQ(next_page({"<never closed"}), std::nullopt);
  EXPECT_EQ(next_page({}), std::nullopt);
}

}  // namespace
}  // namespace acetate::registry
