#include "layers/registry/serve/route.h"

#include <gtest/gtest.h>

namespace acetate::registry {
namespace {

using Kind = Route::Kind;

TEST(Route, KnowsEveryEndpoint) {
  EXPECT_EQ(parse_route("/v2/").kind, Kind::version);
  EXPECT_EQ(parse_route("/v2/_catalog").kind, Kind::catalog);
  EXPECT_EQ(parse_route("/v2/a/b/tags/list"), (Route{Kind::tags, "a/b", "list"}));
  EXPECT_EQ(parse_route("/v2/a/manifests/1.0"), (Route{Kind::manifest, "a", "1.0"}));
  EXPECT_EQ(parse_route("/v2/a/blobs/sha256:0"), (Route{Kind::blob, "a", "sha256:0"}));
  EXPECT_EQ(parse_route("/v2/a/referrers/sha256:0"), (Route{Kind::referrers, "a", "sha256:0"}));
  EXPECT_EQ(parse_route("/v2/a/blobs/uploads/"), (Route{Kind::uploads, "a", ""}));
  EXPECT_EQ(parse_route("/v2/a/blobs/uploads"), (Route{Kind::uploads, "a", ""}));
  EXPECT_EQ(parse_route("/v2/a/blobs/uploads/0f"), (Route{Kind::upload, "a", "0f"}));
}

TEST(Route, LetsRepositoriesBeNamedAsTheVerbs) {
  EXPECT_EQ(parse_route("/v2/blobs/manifests/manifests/tags"),
            (Route{Kind::manifest, "blobs/manifests", "tags"}));
  EXPECT_EQ(parse_route("/v2/a/tags/tags/list"), (Route{Kind::tags, "a/tags", "list"}));
  EXPECT_EQ(parse_route("/v2/localhost:5000/a/tags/list").repository, "localhost:5000/a");
}

TEST(Route, LeadsOutOfTheStoreByNoPath) {
  for (const char* path :
       {"/", "/v1/", "/v2/a", "/v2/../x/manifests/1", "/v2/a/../b/tags/list", "/v2/A/tags/list",
        "/v2//tags/list", "/v2/a//b/tags/list", "/v2/a/manifests/", "/v2/a/manifests/x/y", "/v2/.a/tags/list",
        "/v2/a./tags/list", "/v2/a___b/tags/list", "/v2/a/tags/other", "/v2/a b/tags/list",
        "/v2/a/b:1/tags/list"})
    EXPECT_EQ(parse_route(path).kind, Kind::none) << path;
}

}  // namespace
}  // namespace acetate::registry
