// Whole images between stores and a registry that misbehaves as it is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/sys/file.h"
#include "layers/image/media_type.h"
#include "layers/registry/pull.h"
#include "layers/registry/push.h"
#include "tests/layers/registry/misbehaving.h"
#include "tests/layers/registry/stored_sample.h"
#include "tests/support/temp_dir.h"

namespace acetate::registry {
namespace {

using test::open_store;
using test::platform;
using test::reference;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class PullPush : public testing::Test {
 protected:
  const std::string layer_ = test::sample_bytes(2 << 20, 3);
  test::TempDir dir_;
  std::unique_ptr<image::ImageStore> from_ = open_store(dir_ / "from"), into_ = open_store(dir_ / "into");
  test::MisbehavingRegistry registry_;
  Repository repository_{registry_.client(), "team/app"};
  std::map<Digest, TransferState> states_;

  TransferEvents events() {
    return [this](const auto& blob, auto state, auto) { states_[blob.digest] = state; };
  }
  image::Reference name_at(const std::string& rest) { return reference(registry_.host() + "/" + rest); }
  Result<image::Descriptor> push(const std::string& rest,
                                 PushOptions options = {.platform = platform("amd64")}) {
    const auto name = name_at(rest);
    const auto stored = TRY(from_->find(name.str()));
    Repository repository(repository_.registry(), name.repository);
    options.events = events();
    return push_image(*from_, stored, repository, name.registry, name.tag, options);
  }
  Result<Pulled> pull(const std::string& tag, PullOptions options = {.platform = platform("amd64")}) {
    options.events = events();
    return pull_image(repository_, tag, *into_, options);
  }
  std::uint64_t blob_bytes(const char* field) {
    std::uint64_t sum = 0;
    for (const auto& entry : registry_.log())
      if (entry["path"].get<std::string>().find("/blobs/") != std::string::npos)
        sum += entry[field].get<std::uint64_t>();
    return sum;
  }
};

TEST_F(PullPush, MovesAnImageWithoutChangingADigest) {
  const auto sample = test::put_sample(*from_, {layer_, "small"});
  ASSERT_TRUE(from_->set_reference(name_at("team/app:1"), sample.manifest));

  const auto pushed = push("team/app:1");
  ASSERT_TRUE(pushed) << pushed.error().message();
  EXPECT_EQ(*pushed, sample.manifest);
  const auto pulled = pull("1");
  ASSERT_TRUE(pulled) << pulled.error().message();
  EXPECT_EQ(pulled->target, sample.manifest);
  EXPECT_EQ(pulled->id, sample.config.digest);
  EXPECT_EQ(dir_.read("into/blobs/sha256/" + sample.layers[0].digest.hex()), layer_);
  ASSERT_TRUE(into_->set_reference(name_at("team/app:1"), pulled->target));
  EXPECT_TRUE(into_->find_image(name_at("team/app:1").str(), platform("amd64")));
}

TEST_F(PullPush, GoesOnWhereAnEarlierPullBrokeOff) {
  const auto sample = test::put_sample(*from_, {layer_, "small"});
  ASSERT_TRUE(from_->set_reference(name_at("team/app:1"), sample.manifest));
  ASSERT_TRUE(push("team/app:1"));
  const std::string path = "/blobs/" + sample.layers[0].digest.str();
  const auto begun = [&] {
    registry_.reset();
    registry_.fault({{"path", path}, {"do", "truncate"}, {"at", 600'000}});
    registry_.fault({{"path", path}, {"do", "status"}, {"status", 404}, {"times", -1}});
    ASSERT_FALSE(pull("1"));
    registry_.reset();
    into_ = open_store(dir_ / "into");  // as another process
  };
  begun();
  ASSERT_TRUE(pull("1"));
  const auto rest = registry_.requests("GET", path);
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest[0]["headers"]["Range"], "bytes=600000-");
  EXPECT_EQ(dir_.read("into/blobs/sha256/" + sample.layers[0].digest.hex()), layer_);

  ASSERT_TRUE(sys::unlink(FileAt{kWorkingDir, (dir_ / "into/blobs/sha256/" + sample.layers[0].digest.hex()).c_str()}));
  begun();
  const std::string part = "into/.acetate-part-" + sample.layers[0].digest.hex();
  auto bytes = dir_.read(part);
  bytes[1000] ^= 1;
  dir_.write(part, bytes);
  ASSERT_TRUE(pull("1")) << "what was damaged meanwhile is fetched again";
  EXPECT_EQ(registry_.requests("GET", path).size(), 2U);
  EXPECT_EQ(dir_.read("into/blobs/sha256/" + sample.layers[0].digest.hex()), layer_);
}

TEST_F(PullPush, SendsNoBlobThatTheOtherSideHas) {
  const auto sample = test::put_sample(*from_, {layer_, "small"});
  ASSERT_TRUE(from_->set_reference(name_at("team/app:1"), sample.manifest));
  ASSERT_TRUE(push("team/app:1"));
  ASSERT_TRUE(pull("1"));
  registry_.reset();

  ASSERT_TRUE(push("team/app:1"));
  ASSERT_TRUE(pull("1"));
  EXPECT_EQ(blob_bytes("received"), 0u);
  EXPECT_EQ(blob_bytes("sent"), 0u);
  for (const auto& [digest, state] : states_) EXPECT_EQ(state, TransferState::present);
}

TEST_F(PullPush, FetchesOnlyTheLayersItDoesNotHave) {
  const auto first = test::put_sample(*from_, {layer_});
  const auto second = test::put_sample(*from_, {layer_, "one more"});
  ASSERT_TRUE(from_->set_reference(name_at("team/app:1"), first.manifest));
  ASSERT_TRUE(from_->set_reference(name_at("team/app:2"), second.manifest));
  ASSERT_TRUE(push("team/app:1"));
  ASSERT_TRUE(push("team/app:2"));
  ASSERT_TRUE(pull("1"));
  registry_.reset();

  ASSERT_TRUE(pull("2"));
  EXPECT_EQ(blob_bytes("sent"), second.config.size + std::string_view("one more").size());
}

TEST_F(PullPush, MountsLayersFromAnotherRepositoryOfTheSameRegistry) {
  const auto sample = test::put_sample(*from_, {layer_});
  ASSERT_TRUE(from_->set_reference(name_at("team/app:1"), sample.manifest));
  ASSERT_TRUE(push("team/app:1"));
  ASSERT_TRUE(from_->set_reference(name_at("other:1"), sample.manifest));
  registry_.reset();

  ASSERT_TRUE(push("other:1"));
  EXPECT_EQ(blob_bytes("received"), 0u);
  EXPECT_EQ(states_.at(sample.layers[0].digest), TransferState::mounted);
}

TEST_F(PullPush, TakesTheImageForThePlatformAndKeepsTheIndex) {
  std::vector<test::SampleImage> images;
  const auto index = test::put_sample_index(*from_, images);
  ASSERT_TRUE(from_->set_reference(name_at("team/app:multi"), index));
  EXPECT_EQ(*push("team/app:multi"), index);

  const auto pulled = pull("multi", {.platform = platform("arm64")});
  ASSERT_TRUE(pulled) << pulled.error().message();
  EXPECT_EQ(pulled->target, index);
  EXPECT_EQ(pulled->manifest, images[1].manifest);
  EXPECT_TRUE(*into_->has_blob(images[1].layers[1].digest));
  EXPECT_FALSE(*into_->has_blob(images[0].layers[1].digest));

  const auto missing = pull("multi", {.platform = platform("s390x")});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message(), HasSubstr("no image for linux/s390x"));
  EXPECT_TRUE(pull("multi", {.platform = platform("amd64"), .all_platforms = true}));
  EXPECT_TRUE(*into_->has_blob(images[0].layers[1].digest));
}

class PullOfIndexes : public PullPush {
 protected:
  // Both images are in the registry, below an index of their own.
  void SetUp() override {
    const auto index = test::put_sample_index(*from_, images_);
    ASSERT_TRUE(from_->set_reference(name_at("team/app:multi"), index));
    ASSERT_TRUE(push("team/app:multi"));
  }
  image::Descriptor put(const image::Index& index, const std::string& tag = "") {
    const auto text = image::to_json(index);
    const image::Descriptor descriptor{.media_type = std::string(image::kOciIndex), .digest = Digest::of(text), .size = text.size()};
    EXPECT_TRUE(repository_.put_manifest(tag.empty() ? descriptor.digest.str() : tag, descriptor, text));
    return descriptor;
  }
  image::IndexEntry entry_of(int image) const {
    return {.descriptor = images_[image].manifest, .platform = platform(image == 0 ? "amd64" : "arm64")};
  }
  std::vector<test::SampleImage> images_;
};

TEST_F(PullOfIndexes, AreLookedIntoUntilOneHasTheImage) {
  const auto first = put({.entries = {entry_of(0)}}), second = put({.entries = {entry_of(1)}});
  const auto top = put({.entries = {{.descriptor = first}, {.descriptor = second}}}, "nested");

  const auto pulled = pull("nested", {.platform = platform("arm64")});
  ASSERT_TRUE(pulled) << pulled.error().message();
  EXPECT_EQ(pulled->manifest, images_[1].manifest);
  EXPECT_FALSE(*into_->has_blob(first.digest)) << "with none of its images it would be a damaged one";
  ASSERT_TRUE(into_->set_reference(name_at("team/app:nested"), top));
  const auto image = into_->find_image(name_at("team/app:nested").str(), platform("arm64"));
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->manifest_digest, images_[1].manifest.digest);
  EXPECT_TRUE(pull("nested", {.platform = platform("s390x")}).error().is(ENOENT));
}

TEST_F(PullOfIndexes, HaveNoImageInWhatIsToldOfOne) {
  auto told = entry_of(0);
  told.platform.reset();
  told.annotations["vnd.docker.reference.type"] = "attestation-manifest";
  put({.entries = {told, entry_of(1)}}, "told");

  EXPECT_TRUE(pull("told", {.platform = platform("amd64")}).error().is(ENOENT));
  EXPECT_EQ(pull("told", {.platform = platform("arm64")})->manifest, images_[1].manifest);
}

TEST_F(PullOfIndexes, AreAskedForOnceHoweverOftenTheyAreNamed) {
  put({.entries = std::vector(50, entry_of(0))}, "many");
  registry_.reset();

  ASSERT_TRUE(pull("many", {.platform = platform("amd64"), .all_platforms = true}));
  EXPECT_THAT(registry_.requests("GET", "/manifests/"), SizeIs(2));
}

TEST_F(PullPush, SendsTheOneImageOfAnIndexThatIsHere) {
  std::vector<test::SampleImage> images;
  const auto index = test::put_sample_index(*from_, images);
  ASSERT_TRUE(from_->set_reference(name_at("team/app:multi"), index));
  ASSERT_TRUE(push("team/app:multi"));
  const auto pulled = pull("multi", {.platform = platform("arm64")});
  ASSERT_TRUE(into_->set_reference(name_at("team/app:part"), pulled->target));
  from_.swap(into_);

  EXPECT_EQ(*push("team/app:part", {.platform = platform("arm64")}), images[1].manifest);
  const auto whole = push("team/app:part", {.platform = platform("arm64"), .all_platforms = true});
  ASSERT_FALSE(whole);
  EXPECT_THAT(whole.error().message(), HasSubstr("--all-platforms"));
}

TEST_F(PullPush, LeavesNothingOfABlobThatIsNotWhatItShouldBe) {
  const auto sample = test::put_sample(*from_, {layer_});
  ASSERT_TRUE(from_->set_reference(name_at("team/app:1"), sample.manifest));
  ASSERT_TRUE(push("team/app:1"));
  registry_.fault(
      {{"method", "GET"}, {"path", sample.layers[0].digest.str()}, {"do", "corrupt"}, {"at", 1000}});

  const auto pulled = pull("1");
  ASSERT_FALSE(pulled);
  EXPECT_TRUE(pulled.error().is(EBADMSG)) << pulled.error().message();
  EXPECT_FALSE(*into_->has_blob(sample.layers[0].digest));
  EXPECT_FALSE(into_->find(name_at("team/app:1").str()));
  EXPECT_TRUE(pull("1")) << "the next try finishes";
}

TEST_F(PullPush, GoesOnAfterAFailureWithWhatIsThere) {
  const auto sample = test::put_sample(*from_, {layer_, "small"});
  ASSERT_TRUE(from_->set_reference(name_at("team/app:1"), sample.manifest));
  ASSERT_TRUE(push("team/app:1"));
  registry_.fault(
      {{"method", "GET"}, {"path", sample.layers[1].digest.str()}, {"do", "status"}, {"status", 404}});
  PullOptions one_by_one{.platform = platform("amd64")};
  one_by_one.at_once = 1;
  ASSERT_FALSE(pull("1", one_by_one));
  registry_.reset();

  ASSERT_TRUE(pull("1"));
  EXPECT_EQ(states_.at(sample.layers[0].digest), TransferState::present);
}

TEST_F(PullPush, RefusesArtifactsAndSchemaOne) {
  const auto put = [&](const std::string& tag, const std::string& type, const std::string& text) {
    ASSERT_TRUE(repository_.put_manifest(
        tag, {.media_type = type, .digest = Digest::of(text), .size = text.size()}, text));
  };
  const auto config = R"("config":{"mediaType":"application/vnd.test","digest":")" + Digest::of("{}").str() +
                      R"(","size":2})";
  put("artifact", std::string(image::kOciManifest), R"({"schemaVersion":2,)" + config + R"(,"layers":[]})");
  put("old", "application/vnd.docker.distribution.manifest.v1+prettyjws",
      R"({"schemaVersion":1,"fsLayers":[]})");

  EXPECT_THAT(pull("artifact").error().message(), HasSubstr("artifact"));
  EXPECT_THAT(pull("old").error().message(), HasSubstr("schema 1"));
}

}  // namespace
}  // namespace acetate::registry
