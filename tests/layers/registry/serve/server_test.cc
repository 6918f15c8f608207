// Our registry with our client: what it gives, and to whom.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "layers/image/media_type.h"
#include "layers/registry/pull.h"
#include "layers/registry/push.h"
#include "tests/layers/registry/serve/serving.h"

namespace acetate::registry {
namespace {

using test::Serving;
using test::open_store;
using test::platform;
using test::reference;
using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(Serving, TakesAndGivesAnImageUnchanged) {
  start();
  const auto from = open_store(dir_ / "from"), into = open_store(dir_ / "into");
  std::vector<test::SampleImage> images;
  const auto index = test::put_sample_index(*from, images);
  ASSERT_TRUE(from->set_reference(reference(host() + "/team/app:1"), index));
  Repository repository(client(), "team/app");

  const auto pushed = push_image(*from, *from->find(host() + "/team/app:1"), repository, host(), "1",
                                 {.platform = platform("amd64")});
  ASSERT_TRUE(pushed) << pushed.error().message();
  EXPECT_EQ(*pushed, index);
  const auto pulled =
      pull_image(repository, "1", *into, {.platform = platform("amd64"), .all_platforms = true});
  ASSERT_TRUE(pulled) << pulled.error().message();
  EXPECT_EQ(pulled->target, index);
  EXPECT_TRUE(store_->find("localhost/team/app:1")) << "and it is an image of the store";
  EXPECT_THAT(*repository.tags(), ElementsAre("1"));
}

TEST_F(Serving, TakesAndGivesAnImageThatIsNamedBySha512Unchanged) {
  start();
  const auto from = open_store(dir_ / "from"), into = open_store(dir_ / "into");
  const auto sample = test::put_sample(*from, {"layer"}, "amd64", Digest::Algorithm::sha512);
  ASSERT_TRUE(from->set_reference(reference(host() + "/app:1"), sample.manifest));
  Repository repository(client(), "app");

  const auto pushed = push_image(*from, *from->find(host() + "/app:1"), repository, host(), "1", {.platform = platform("amd64")});
  ASSERT_TRUE(pushed) << pushed.error().message();
  EXPECT_EQ(*pushed, sample.manifest);
  EXPECT_EQ(*repository.manifest_digest("1"), sample.manifest.digest) << "the tag is of the name that the image has";
  for (const auto& asked : {std::string("1"), sample.manifest.digest.str()}) {
    const auto pulled = pull_image(repository, asked, *into, {.platform = platform("amd64")});
    ASSERT_TRUE(pulled) << pulled.error().message();
    EXPECT_EQ(pulled->target, sample.manifest);
    EXPECT_EQ(pulled->id, sample.config.digest);
  }
  EXPECT_EQ(dir_.read("into/blobs/sha512/" + sample.layers[0].digest.hex()), "layer");

  dir_.write("served/blobs/sha512/" + sample.layers[0].digest.hex(), "LAYER");
  const auto damaged = pull_image(repository, "1", *open_store(dir_ / "again"), {.platform = platform("amd64")});
  ASSERT_FALSE(damaged);
  EXPECT_TRUE(damaged.error().is(EBADMSG)) << damaged.error().message();
}

TEST_F(Serving, GivesTheImagesOfTheStoreByTheNamesPeopleKnow) {
  start();
  const auto sample = test::put_sample(*store_, {"layer"});
  for (const char* name : {"docker.io/library/debian:12", "quay.io/a/b:1", "localhost/own:1"})
    ASSERT_TRUE(store_->set_reference(reference(name), sample.manifest));
  auto& registry = client();

  for (const auto& [name, tag] : {std::pair("debian", "12"),
                                  {"library/debian", "12"},
                                  {"docker.io/library/debian", "12"},
                                  {"quay.io/a/b", "1"},
                                  {"own", "1"},
                                  {"localhost/own", "1"}}) {
    const auto got = Repository(registry, name).manifest(tag);
    ASSERT_TRUE(got) << name << ": " << got.error().message();
    EXPECT_EQ(got->descriptor, sample.manifest);
  }
  EXPECT_FALSE(Repository(registry, "a/b").manifest("1"));
  EXPECT_FALSE(Repository(registry, "unknown").tags());
  EXPECT_EQ(nlohmann::json::parse(ask("GET", "/v2/_catalog").body)["repositories"],
            nlohmann::json({"debian", "own", "quay.io/a/b"}));
}

TEST_F(Serving, GivesPartsOfBlobs) {
  start();
  const auto blob = *store_->put_blob("0123456789", "x");
  const std::string path = "/v2/a/blobs/" + blob.digest.str();
  struct Case {
    const char* range;
    int status;
    const char* content_range;
    const char* body;
  };
  for (const auto& [range, status, content_range, body] :
       {Case{"bytes=2-4", 206, "bytes 2-4/10", "234"}, Case{"bytes=7-", 206, "bytes 7-9/10", "789"},
        Case{"bytes=-3", 206, "bytes 7-9/10", "789"}, Case{"bytes=8-99", 206, "bytes 8-9/10", "89"},
        Case{"bytes=-99", 206, "bytes 0-9/10", "0123456789"}, Case{"bytes=0-0", 206, "bytes 0-0/10", "0"},
        Case{"bytes=1-2,4-5", 200, "", "0123456789"}}) {
    const auto answer = ask("GET", path, {{"Range", range}});
    EXPECT_EQ(answer.status, status) << range;
    EXPECT_EQ(answer.header("Content-Range"), content_range) << range;
    EXPECT_EQ(answer.body, body) << range;
  }
  const auto beyond = ask("GET", path, {{"Range", "bytes=10-"}});
  EXPECT_EQ(beyond.status, 416);
  EXPECT_EQ(beyond.header("Content-Range"), "bytes */10");
  const auto head = ask("HEAD", path);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("Content-Length"), "10");
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + Digest::of("none").str()).status, 404);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/sha256:..%2f..%2fetc").status, 404);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/nonsense").status, 400);
}

TEST_F(Serving, GivesBlobsThatAreLinks) {
  start();
  const auto blob = *store_->put_blob("0123456789", "x");
  const auto path = store_->blob_path(blob.digest);
  ASSERT_EQ(::rename(path.c_str(), (dir_ / "elsewhere").c_str()), 0);
  ASSERT_EQ(::symlink((dir_ / "elsewhere").c_str(), path.c_str()), 0);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + blob.digest.str()).body, "0123456789");
  ASSERT_EQ(::unlink(path.c_str()), 0);
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + blob.digest.str()).status, 500) << "and nobody waits at a pipe";
}

TEST_F(Serving, ListsTagsInPages) {
  start();
  const auto sample = test::put_sample(*store_, {"layer"});
  for (const char* tag : {"c", "a", "b"})
    ASSERT_TRUE(store_->set_reference(reference(std::string("localhost/a:") + tag), sample.manifest));

  const auto first = ask("GET", "/v2/a/tags/list?n=2");
  EXPECT_EQ(nlohmann::json::parse(first.body)["tags"], nlohmann::json({"a", "b"}));
  EXPECT_EQ(first.header("Link"), "</v2/a/tags/list?n=2&last=b>; rel=\"next\"");
  EXPECT_EQ(nlohmann::json::parse(ask("GET", "/v2/a/tags/list?n=2&last=b").body)["tags"],
            nlohmann::json({"c"}));
  EXPECT_EQ(nlohmann::json::parse(ask("GET", "/v2/a/tags/list?n=0").body)["tags"], nlohmann::json::array());
}

TEST_F(Serving, OnlyGivesWhenToldSo) {
  start({.read_only = true});
  const auto blob = *store_->put_blob("x", "x");
  EXPECT_EQ(ask("POST", "/v2/a/blobs/uploads/").status, 405);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + blob.digest.str()).body, "x");
}

TEST_F(Serving, LetsInWhoHasAPassword) {
  dir_.write("users",
             "ann:$6$rounds=1000$lDFq4eC4LVnJTIBS$"
             "cJbHvwwz5WwkaRAk7M4om2KjVo1yLduuHClzV9VaLDAziiwKZ9OAavcg1vzRYOi3.e.1sFVV0/nkS03Ni2q6k0\n");
  start({.htpasswd_file = dir_ / "users"});

  const auto refused = ask("GET", "/v2/");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.header("WWW-Authenticate"), "Basic realm=\"acetate\"");
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/1", {}, std::string(100000, 'x')).status, 401);
  EXPECT_FALSE(client(Login{.username = "ann", .secret = "guess"}).check_login());
  EXPECT_TRUE(client(Login{.username = "ann", .secret = "secret"}).check_login());
}

TEST_F(Serving, AnswersNonsenseAndLivesOn) {
  start();
  for (const char* path :
       {"/", "/v2/UPPER/tags/list", "/v2/a/../../etc/passwd", "/v2/%2e%2e/manifests/x", "/v3/"})
    EXPECT_EQ(ask("GET", path).status, 404) << path;
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/.hidden", {{"Content-Type", std::string(image::kOciIndex)}},
                R"({"schemaVersion":2,"manifests":[]})")
                .status,
            400);
  EXPECT_EQ(ask("GET", "/v2/").status, 200);
}

TEST(Server, SaysWhyItDoesNotStart) {
  const test::TempDir dir;
  dir.write("users", "ann:plain");
  dir.write("cert", "no PEM");
  EXPECT_THAT(Server::open({.dir = dir / "s"}, {.port = 0, .htpasswd_file = dir / "users"}).error().message(),
              HasSubstr("users:1"));
  EXPECT_THAT(Server::open({.dir = dir / "s"},
                           {.port = 0, .certificate_file = dir / "cert", .key_file = dir / "cert"})
                  .error()
                  .message(),
              HasSubstr("PEM"));
  const auto first = Server::open({.dir = dir / "s"}, {.port = 0});
  ASSERT_TRUE(first);
  EXPECT_THAT(Server::open({.dir = dir / "s"}, {.port = (*first)->port()}).error().message(),
              HasSubstr("cannot listen on 127.0.0.1"));
}

}  // namespace
}  // namespace acetate::registry
