#include "layers/image/oci_image.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/layers/image/sample.h"

namespace acetate::image {
namespace {

using test::Blob;
using test::Files;
using test::Sample;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class OciImage : public ::testing::Test {
 protected:
  // As a directory and as an archive: the answers must be the same.
  struct Answers {
    Result<Image> directory, archive;
  };
  Answers read(const Files& files, const std::string& tag = {}, const Platform& platform = test::amd64()) {
    const auto name = fmt::format("{}", count_++);
    test::write_to(tmp, "dir" + name, files);
    tmp.write("archive" + name, test::packed(files));
    const auto suffix = tag.empty() ? tag : ":" + tag;
    return {open_image("oci:" + tmp / ("dir" + name) + suffix, platform),
            open_image("oci-archive:" + tmp / ("archive" + name) + suffix, platform)};
  }

  // The words of the error both must give, with the place they differ in taken out.
  std::string error(const Files& files, const std::string& tag = {},
                    const Platform& platform = test::amd64()) {
    auto answers = read(files, tag, platform);
    if (answers.directory || answers.archive) return "no error";
    const auto plain = [&](std::string words, const std::string& path) {
      for (auto at = words.find(path); at != words.npos; at = words.find(path))
        words.replace(at, path.size(), "IMAGE");
      return words;
    };
    const auto number = fmt::format("{}", count_ - 1);
    auto in_directory = plain(answers.directory.error().message(), tmp / ("dir" + number));
    EXPECT_EQ(in_directory, plain(answers.archive.error().message(), tmp / ("archive" + number)));
    return in_directory;
  }

  test::TempDir tmp;
  int count_ = 0;
};

TEST_F(OciImage, HasItsLayersWhereTheyLie) {
  const Sample sample;

  for (const auto& image : {read(sample.oci()).directory, read(sample.oci(), "v1").archive}) {
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_EQ(image->config.cmd, std::vector<std::string>{"sh"});
    EXPECT_EQ(image->manifest_digest, sample.manifest.digest());
    ASSERT_EQ(image->layers.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(test::bytes_of(image->layers[i].spec), sample.layers[i].text);
      EXPECT_EQ(image->layers[i].spec.digest, sample.layers[i].digest());
      EXPECT_EQ(image->layers[i].digest, sample.layers[i].digest());
      EXPECT_EQ(image->layers[i].size, sample.layers[i].text.size());
    }
    EXPECT_TRUE(image->layers[0].spec.path.starts_with('/'));
  }
}

TEST_F(OciImage, IsFoundByTheDigestOfItsManifestToo) {
  const Sample sample;

  for (const auto& tag : {sample.manifest.digest().str(), "@" + sample.manifest.digest().str()}) {
    const auto found = read(sample.oci(), tag);
    ASSERT_TRUE(found.directory) << found.directory.error().message();
    EXPECT_EQ(found.archive->manifest_digest, sample.manifest.digest());
  }
}

TEST_F(OciImage, IsFoundByADigestThatOnlyANestedIndexLists) {
  const Sample sample;
  const auto inner =
      test::index_blob({sample.manifest.descriptor(R"("platform":{"os":"linux","architecture":"amd64"})")});
  auto files = sample.oci();
  files[inner.name()] = inner.text;
  files["index.json"] = test::index_blob({inner.descriptor()}).text;

  EXPECT_TRUE(read(files, sample.manifest.digest().str()).directory);
  EXPECT_TRUE(read(files, inner.digest().str()).archive);
}

TEST_F(OciImage, NamesWhatThereIsWhenTheTagIsUnknown) {
  EXPECT_EQ(error(Sample().oci(), "v2"), "IMAGE holds no image named \"v2\"; it holds v1");
}

TEST_F(OciImage, ListsTheImagesWhenThereAreSeveralAndNoneIsNamed) {
  const Sample sample;
  const auto other = test::config_blob("amd64", {});
  const auto other_manifest = test::manifest_blob(other, {});
  auto files = sample.oci();
  files[other.name()] = other.text;
  files[other_manifest.name()] = other_manifest.text;
  files["index.json"] =
      test::index_blob(
          {sample.manifest.descriptor(R"("annotations":{"org.opencontainers.image.ref.name":"v1"})"),
           other_manifest.descriptor(R"("annotations":{"org.opencontainers.image.ref.name":"v2"})")})
          .text;

  EXPECT_EQ(error(files), "IMAGE holds 2 images, name one of: v1, v2");
  EXPECT_EQ(read(files, "v2").archive->layers.size(), 0u);
}

TEST_F(OciImage, IsNoQuestionWhenOneImageHasTwoNames) {
  const Sample sample;
  auto files = sample.oci();
  files["index.json"] =
      test::index_blob(
          {sample.manifest.descriptor(R"("annotations":{"org.opencontainers.image.ref.name":"v1"})"),
           sample.manifest.descriptor(R"("annotations":{"org.opencontainers.image.ref.name":"v2"})")})
          .text;

  EXPECT_TRUE(read(files).directory);
}

TEST_F(OciImage, IsFoundByTheNameDockerNoted) {
  const Sample sample;
  auto files = sample.oci();
  files["index.json"] =
      test::index_blob({sample.manifest.descriptor(
                           R"("annotations":{"io.containerd.image.name":"docker.io/library/sample:v1",)"
                           R"("org.opencontainers.image.ref.name":"v1"})")})
          .text;

  EXPECT_TRUE(read(files, "sample:v1").directory);
  EXPECT_TRUE(read(files, "docker.io/library/sample:v1").directory);
  EXPECT_FALSE(read(files, "sample").directory);
}

struct TwoPlatforms {
  Sample sample;
  Blob arm_config = test::config_blob("arm64", {sample.layers[0]});
  Blob arm_manifest = test::manifest_blob(arm_config, {sample.layers[0]});
  Blob attestation{R"({"not":"an image"})", test::kManifestType};
  Blob index = test::index_blob(
      {sample.manifest.descriptor(R"("platform":{"os":"linux","architecture":"amd64"})"),
       arm_manifest.descriptor(R"("platform":{"os":"linux","architecture":"arm64","variant":"v8"})"),
       attestation.descriptor(R"("platform":{"os":"unknown","architecture":"unknown"},)"
                              R"("annotations":{"vnd.docker.reference.type":"attestation-manifest"})")});
  Files files() const {
    auto files = sample.oci();
    for (const auto& blob : {arm_config, arm_manifest, attestation, index}) files[blob.name()] = blob.text;
    files["index.json"] = test::index_blob({index.descriptor()}).text;
    return files;
  }
};

TEST_F(OciImage, IsChosenByPlatformThroughANestedIndex) {
  const TwoPlatforms two;

  const auto amd = read(two.files());
  const auto arm = read(two.files(), {}, test::arm64());

  ASSERT_TRUE(amd.directory && amd.archive && arm.directory && arm.archive);
  EXPECT_EQ(amd.directory->layers.size(), 2u);
  EXPECT_EQ(arm.directory->layers.size(), 1u);
  EXPECT_EQ(arm.archive->manifest_digest, two.arm_manifest.digest());
}

TEST_F(OciImage, SaysWhichPlatformsThereAre) {
  EXPECT_EQ(error(TwoPlatforms().files(), {}, {.os = "linux", .architecture = "s390x"}),
            "IMAGE has no image for linux/s390x; it has linux/amd64, linux/arm64/v8");
}

TEST_F(OciImage, OfOnePlatformIsNotGivenOutForAnother) {
  EXPECT_EQ(error(Sample().oci(), {}, test::arm64()),
            "IMAGE has no image for linux/arm64; it has linux/amd64");
}

TEST_F(OciImage, NeedsNothingOfWhatIsForOtherPlatforms) {
  const TwoPlatforms two;
  auto files = two.files();
  files.erase(two.arm_config.name());
  files.erase(two.arm_manifest.name());

  EXPECT_TRUE(read(files).directory);
  EXPECT_EQ(error(files, {}, test::arm64()),
            "IMAGE has no image for linux/arm64; it has linux/amd64, linux/arm64/v8 (not fetched)");
}

TEST_F(OciImage, IsRefusedWhenABlobIsMissing) {
  const Sample sample;
  for (const auto* blob : {&sample.manifest, &sample.config, &sample.layers[1]}) {
    auto files = sample.oci();
    files.erase(blob->name());
    EXPECT_EQ(error(files),
              fmt::format("IMAGE has no blob {}; the image is incomplete", blob->digest().str()));
  }
}

TEST_F(OciImage, IsRefusedWhenADocumentHasAnotherDigest) {
  const Sample sample;
  for (const auto* blob : {&sample.manifest, &sample.config}) {
    auto files = sample.oci();
    files[blob->name()].back() = ' ';
    EXPECT_THAT(error(files), HasSubstr("is damaged or not what it says"));
  }
}

TEST_F(OciImage, IsRefusedWhenALayerHasAnotherSize) {
  const Sample sample;
  auto files = sample.oci();
  files[sample.layers[0].name()] += "x";

  EXPECT_EQ(error(files), fmt::format("the layer {} in IMAGE has {} bytes and should have {}",
                                      sample.layers[0].digest().str(), sample.layers[0].text.size() + 1,
                                      sample.layers[0].text.size()));
}

TEST_F(OciImage, IsRefusedWhenConfigAndManifestCountDifferentLayers) {
  const Sample sample;
  const auto manifest = test::manifest_blob(sample.config, {sample.layers[0]});
  auto files = sample.oci();
  files[manifest.name()] = manifest.text;
  files["index.json"] = test::index_blob({manifest.descriptor()}).text;

  EXPECT_EQ(error(files), "the manifest in IMAGE has 1 layers and its config speaks of 2");
}

TEST_F(OciImage, RefusesLayersThatCannotBeReadInWords) {
  const std::pair<const char*, const char*> cases[] = {
      {"application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "a layer is encrypted"},
      {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "a layer is foreign"},
      {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "a layer is foreign"},
      {"text/plain", "a layer has the media type \"text/plain\", which is not known"},
  };
  for (const auto& [type, words] : cases) {
    Sample sample;
    sample.layers[0].media_type = type;
    sample.manifest = test::manifest_blob(sample.config, sample.layers);
    EXPECT_THAT(error(sample.oci()), HasSubstr(words));
  }
}

TEST_F(OciImage, RefusesIndexesThatNestWithoutEnd) {
  const Sample sample;
  auto files = sample.oci();
  auto inner = test::index_blob({sample.manifest.descriptor()});
  for (int i = 0; i < 20; ++i) {
    files[inner.name()] = inner.text;
    inner = test::index_blob({inner.descriptor()});
  }
  files["index.json"] = inner.text;

  EXPECT_EQ(error(files), "indexes in IMAGE are nested deeper than 8");
}

TEST_F(OciImage, RefusesOversizedAndDeepDocuments) {
  auto big = Sample().oci();
  big["index.json"].append(5 << 20, ' ');
  auto deep = Sample().oci();
  deep["index.json"] = R"({"manifests":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}";

  EXPECT_THAT(error(big), StartsWith("index.json in IMAGE is 5"));
  EXPECT_EQ(error(deep), "index.json in IMAGE nests deeper than 64 levels of JSON");
}

TEST_F(OciImage, RefusesADigestThatIsAPath) {
  auto files = Sample().oci();
  files["index.json"] =
      R"({"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:../../oci-layout","size":30}]})";

  EXPECT_THAT(error(files), StartsWith("index.json in IMAGE: manifests: \"digest\""));
}

TEST_F(OciImage, RefusesNegativeSizes) {
  auto files = Sample().oci();
  auto& index = files["index.json"];
  const auto at = index.find("\"size\":") + 7;
  index.insert(at, "-");

  EXPECT_EQ(error(files), "index.json in IMAGE: manifests: \"size\" is not a size");
}

TEST_F(OciImage, SaysWhatIsMissingInALayout) {
  auto without_index = Sample().oci();
  without_index.erase("index.json");
  auto without_marker = Sample().oci();
  without_marker.erase("oci-layout");
  auto of_the_future = Sample().oci();
  of_the_future["oci-layout"] = R"({"imageLayoutVersion":"2.0"})";
  auto empty = Sample().oci();
  empty["index.json"] = R"({"schemaVersion":2,"manifests":[]})";

  EXPECT_EQ(error(without_index), "IMAGE has no index.json");
  EXPECT_EQ(error(without_marker), "IMAGE is not an OCI image layout: it has no file oci-layout");
  EXPECT_EQ(error(of_the_future), "IMAGE is an OCI image layout of version \"2.0\", and only 1.x is known");
  EXPECT_EQ(error(empty), "IMAGE holds no image");
}

TEST(ImageName, IsOneWhateverOfItIsLeftOut) {
  EXPECT_TRUE(same_image_name("alpine", "docker.io/library/alpine:latest"));
  EXPECT_TRUE(same_image_name("docker.io/me/app", "me/app:latest"));
  EXPECT_FALSE(same_image_name("localhost/app", "app"));
  EXPECT_FALSE(same_image_name("host:5000/app", "app"));
  EXPECT_FALSE(same_image_name("app:1", "app"));
}

}  // namespace
}  // namespace acetate::image
