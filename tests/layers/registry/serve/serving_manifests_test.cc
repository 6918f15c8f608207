// Manifests of our registry: put in, named, referred to, deleted.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "layers/image/media_type.h"
#include "layers/registry/pull.h"
#include "tests/layers/registry/serve/serving.h"

namespace acetate::registry {
namespace {

using test::Serving;
using test::open_store;
using test::platform;
using test::reference;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

TEST_F(Serving, MovesNoNameOfAnotherRegistryByAPush) {
  start();
  const auto owners = test::put_sample(*store_, {"the owner's"});
  for (const char* name : {"docker.io/library/alpine:1", "quay.io/a/b:1"}) ASSERT_TRUE(store_->set_reference(reference(name), owners.manifest));
  const auto from = open_store(dir_ / "from");
  const auto pushed = test::put_sample(*from, {"somebody's"});
  const auto bytes_of = [&](const image::Descriptor& blob) { return dir_.read("from/blobs/sha256/" + blob.digest.hex()); };
  for (const auto& blob : {pushed.config, pushed.layers[0]})
    ASSERT_EQ(ask("POST", "/v2/a/blobs/uploads/?digest=" + blob.digest.str(), {}, bytes_of(blob)).status, 201);

  for (const char* repository : {"docker.io/library/alpine", "library/alpine", "alpine", "quay.io/a/b", "localhost/own"}) {
    const std::string path = std::string("/v2/") + repository + "/manifests/1";
    EXPECT_EQ(ask("PUT", path, {{"Content-Type", pushed.manifest.media_type}}, bytes_of(pushed.manifest)).status, 201) << repository;
    EXPECT_EQ(ask("GET", path).body, bytes_of(pushed.manifest)) << repository << ": who pushed gets what he pushed";
  }
  for (const char* name : {"docker.io/library/alpine:1", "quay.io/a/b:1"}) EXPECT_EQ(store_->find(name)->target, owners.manifest) << name;
  for (const char* name : {"localhost/docker.io/library/alpine:1", "localhost/alpine:1", "localhost/quay.io/a/b:1", "localhost/own:1"}) {
    const auto found = store_->find(name);
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(found->target, pushed.manifest) << name;
  }
}

TEST_F(Serving, GivesAManifestAllTagsItIsPutWith) {
  start();
  const auto from = open_store(dir_ / "from");
  const auto sample = test::put_sample(*from, {});
  const auto text = dir_.read("from/blobs/sha256/" + sample.manifest.digest.hex());
  const auto config = dir_.read("from/blobs/sha256/" + sample.config.digest.hex());
  const Headers type{{"Content-Type", sample.manifest.media_type}};
  const auto by_digest = "/v2/a/manifests/" + sample.manifest.digest.str();
  ASSERT_EQ(ask("POST", "/v2/a/blobs/uploads/?digest=" + sample.config.digest.str(), {}, config).status, 201);

  const auto answer = ask("PUT", by_digest + "?tag=1&tag=latest", type, text);

  EXPECT_EQ(answer.status, 201);
  EXPECT_THAT(answer.headers.all("OCI-Tag"), ElementsAre("1", "latest"));
  EXPECT_EQ(ask("GET", "/v2/a/manifests/latest").body, text);
  EXPECT_EQ(ask("GET", by_digest).body, text);
  EXPECT_EQ(ask("PUT", by_digest + "?tag=no+tag", type, text).status, 400);
}

TEST_F(Serving, TakesNoManifestWhoseBlobsAreMissing) {
  start();
  const auto from = open_store(dir_ / "from");
  const auto sample = test::put_sample(*from, {"layer"});
  const auto text = dir_.read("from/blobs/sha256/" + sample.manifest.digest.hex());
  const Headers type{{"Content-Type", sample.manifest.media_type}};

  const auto answer = ask("PUT", "/v2/a/manifests/1", type, text);
  EXPECT_EQ(answer.status, 404);
  EXPECT_THAT(answer.body, HasSubstr("MANIFEST_BLOB_UNKNOWN"));
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/1", type, "{").status, 400);
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/1", type, std::string(5 << 20, ' ')).status, 413);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/1").status, 404);
}

TEST_F(Serving, FindsReferrers) {
  start();
  const auto sample = test::put_sample(*store_, {"layer"});
  ASSERT_TRUE(store_->set_reference(reference("localhost/a:1"), sample.manifest));
  Repository repository(client(), "a");
  const auto refer = [&](const std::string& type) {
    const auto config = R"({"mediaType":"application/vnd.oci.empty.v1+json","digest":")" +
                        Digest::of("{}").str() + R"(","size":2})";
    return R"({"schemaVersion":2,"mediaType":")" + std::string(image::kOciManifest) +
           R"(","artifactType":")" + type + R"(","config":)" + config +
           R"(,"layers":[],"subject":{"mediaType":"x","digest":")" + sample.manifest.digest.str() +
           R"(","size":1}})";
  };
  ASSERT_TRUE(store_->put_blob("{}", "x"));
  for (const char* type : {"text/one", "text/two"}) {
    const auto text = refer(type);
    const auto answer = ask("PUT", "/v2/a/manifests/" + Digest::of(text).str(),
                            {{"Content-Type", std::string(image::kOciManifest)}}, text);
    EXPECT_EQ(answer.status, 201) << answer.body;
    EXPECT_EQ(answer.header("OCI-Subject"), sample.manifest.digest.str());
  }

  EXPECT_THAT(*repository.referrers(sample.manifest.digest, ""), SizeIs(2));
  const auto filtered =
      ask("GET", "/v2/a/referrers/" + sample.manifest.digest.str() + "?artifactType=text/two");
  EXPECT_EQ(filtered.header("OCI-Filters-Applied"), "artifactType");
  EXPECT_THAT(nlohmann::json::parse(filtered.body)["manifests"], SizeIs(1));
  EXPECT_THAT(
      nlohmann::json::parse(ask("GET", "/v2/a/referrers/" + Digest::of("none").str()).body)["manifests"],
      SizeIs(0));
}

TEST_F(Serving, FindsReferrersOfWhatIsNamedBySha512) {
  start();
  const auto sample = test::put_sample(*store_, {"layer"}, "amd64", Digest::Algorithm::sha512);
  ASSERT_TRUE(store_->set_reference(reference("localhost/a:1"), sample.manifest));
  ASSERT_TRUE(store_->put_blob("{}", "x", Digest::Algorithm::sha512));
  const auto text = R"({"schemaVersion":2,"mediaType":")" + std::string(image::kOciManifest) +
                    R"(","artifactType":"text/one","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":")" +
                    Digest::of("{}", Digest::Algorithm::sha512).str() + R"(","size":2},"layers":[],"subject":{"mediaType":"x","digest":")" +
                    sample.manifest.digest.str() + R"(","size":1}})";
  const auto digest = Digest::of(text, Digest::Algorithm::sha512);

  const auto answer = ask("PUT", "/v2/a/manifests/" + digest.str(), {{"Content-Type", std::string(image::kOciManifest)}}, text);

  EXPECT_EQ(answer.status, 201) << answer.body;
  EXPECT_EQ(answer.header("OCI-Subject"), sample.manifest.digest.str());
  const auto found = Repository(client(), "a").referrers(sample.manifest.digest, "");
  ASSERT_TRUE(found) << found.error().message();
  ASSERT_THAT(*found, SizeIs(1));
  EXPECT_EQ((*found)[0].descriptor.digest, digest);
}

TEST_F(Serving, DeletesOnlyWhereItMay) {
  start();
  const auto sample = test::put_sample(*store_, {"layer"});
  ASSERT_TRUE(store_->set_reference(reference("localhost/a:1"), sample.manifest));
  EXPECT_EQ(ask("DELETE", "/v2/a/manifests/1").status, 405);
  EXPECT_EQ(ask("DELETE", "/v2/a/blobs/" + sample.layers[0].digest.str()).status, 405);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/1").status, 200);
}

TEST_F(Serving, DeletesTagsAndManifestsOfOneRepository) {
  start({.allow_delete = true});
  const auto sample = test::put_sample(*store_, {"layer"});
  for (const char* name : {"localhost/a:1", "localhost/a:2", "localhost/a:3", "localhost/b:1"})
    ASSERT_TRUE(store_->set_reference(reference(name), sample.manifest));
  const auto by_digest = "/v2/a/manifests/" + sample.manifest.digest.str();

  EXPECT_EQ(ask("DELETE", "/v2/a/manifests/1").status, 202);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/1").status, 404);
  EXPECT_EQ(ask("GET", by_digest).status, 200);
  EXPECT_EQ(ask("DELETE", by_digest).status, 202);
  EXPECT_EQ(ask("GET", by_digest).status, 404);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/2").status, 404);
  EXPECT_EQ(ask("GET", "/v2/b/manifests/1").status, 200) << "what another repository has stays";
}

// As pull --all-platforms, load and copy put one in, and as garbage collection leaves one that was pushed: its manifests have no entry of
// their own.
class ServingAnIndex : public Serving {
 protected:
  std::vector<test::SampleImage> images_;
  const image::Descriptor index_ = test::put_sample_index(*store_, images_);
  void SetUp() override { ASSERT_TRUE(store_->set_reference(reference("localhost/a:1"), index_)); }
  std::string path_of(const char* repository, const image::Descriptor& manifest) const {
    return fmt::format("/v2/{}/manifests/{}", repository, manifest.digest.str());
  }
  std::string text_of(const image::Descriptor& manifest) { return dir_.read("served/blobs/sha256/" + manifest.digest.hex()); }
};

TEST_F(ServingAnIndex, GivesTheManifestsBelowIt) {
  start();
  for (const auto& image : images_) {
    const auto got = ask("GET", path_of("a", image.manifest));
    EXPECT_EQ(got.status, 200) << got.body;
    EXPECT_EQ(got.body, text_of(image.manifest));
    EXPECT_EQ(got.header("Content-Type"), image.manifest.media_type);
    EXPECT_EQ(ask("HEAD", path_of("a", image.manifest)).header("Content-Length"), std::to_string(image.manifest.size));
    EXPECT_EQ(ask("GET", path_of("b", image.manifest)).status, 404) << "which is of another repository";
  }
  Repository repository(client(), "a");
  const auto into = open_store(dir_ / "into");
  const auto pulled = pull_image(repository, "1", *into, {.platform = platform("arm64")});
  ASSERT_TRUE(pulled) << pulled.error().message();
  EXPECT_EQ(pulled->target, index_);
}

TEST_F(ServingAnIndex, TakesItOnceMore) {
  start();
  for (const auto& image : images_)
    for (const char* repository : {"a", "b"})
      EXPECT_EQ(ask("PUT", path_of(repository, image.manifest), {{"Content-Type", image.manifest.media_type}}, text_of(image.manifest)).status, 201)
          << repository;
  EXPECT_EQ(ask("PUT", "/v2/b/manifests/1", {{"Content-Type", index_.media_type}}, text_of(index_)).status, 201);
  EXPECT_EQ(ask("GET", path_of("b", images_[1].manifest)).body, text_of(images_[1].manifest));
}

TEST_F(ServingAnIndex, KeepsItWholeWhenOneOfItsManifestsIsToBeDeleted) {
  start({.allow_delete = true});
  const auto answer = ask("DELETE", path_of("a", images_[0].manifest));
  EXPECT_EQ(answer.status, 403);
  EXPECT_THAT(answer.body, HasSubstr(index_.digest.str()));
  EXPECT_EQ(ask("GET", "/v2/a/manifests/1").body, text_of(index_));
  EXPECT_EQ(ask("GET", path_of("a", images_[0].manifest)).status, 200);
  EXPECT_EQ(ask("DELETE", path_of("a", index_)).status, 202);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/1").status, 404);
}

}  // namespace
}  // namespace acetate::registry
