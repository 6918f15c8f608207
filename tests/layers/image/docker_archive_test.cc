#include "layers/image/docker_archive.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/layers/image/sample.h"

namespace acetate::image {
namespace {

using test::Sample;
using test::TarBuilder;
using ::testing::HasSubstr;

class DockerArchive : public ::testing::Test {
 protected:
  Result<Image> open(const std::string& archive, const std::string& ref = {}) {
    tmp.write("a.tar", archive);
    return open_image("docker-archive:" + tmp / "a.tar" + (ref.empty() ? ref : ":" + ref), test::amd64());
  }
  std::string error(const std::string& archive, const std::string& ref = {}) {
    const auto image = open(archive, ref);
    if (image) return "no error";
    auto words = image.error().message();
    const std::string path = tmp / "a.tar";
    for (auto at = words.find(path); at != words.npos; at = words.find(path))
      words.replace(at, path.size(), "IMAGE");
    return words;
  }

  test::TempDir tmp;
  Sample sample;
};

TEST_F(DockerArchive, HasItsLayersWhereTheyLieKnownByTheirDiffIds) {
  const auto image = open(test::packed(sample.docker()));

  ASSERT_TRUE(image) << image.error().message();
  ASSERT_EQ(image->layers.size(), 2u);
  EXPECT_EQ(test::bytes_of(image->layers[1].spec), sample.layers[1].text);
  EXPECT_EQ(image->layers[1].spec.digest, sample.layers[1].digest());
  EXPECT_EQ(image->config.env, std::vector<std::string>{"PATH=/bin"});
}

TEST_F(DockerArchive, IsFoundByItsRepoTagOrItsNumber) {
  const auto archive = test::packed(sample.docker());

  EXPECT_TRUE(open(archive, "localhost/sample:v1"));
  EXPECT_TRUE(open(archive, "@0"));
  EXPECT_EQ(error(archive, "@1"), "IMAGE holds no image named \"@1\"; it holds localhost/sample:v1");
  EXPECT_EQ(error(archive, "other"), "IMAGE holds no image named \"other\"; it holds localhost/sample:v1");
}

TEST_F(DockerArchive, ListsTheImagesWhenThereAreSeveralAndNoneIsNamed) {
  auto files = sample.docker();
  auto& list = files["manifest.json"];
  const auto item = list.substr(1, list.size() - 2);
  auto untagged = item;
  untagged.replace(untagged.find("\"localhost/sample:v1\""), 21, "");
  list = "[" + item + "," + untagged + "]";

  EXPECT_EQ(error(test::packed(files)), "IMAGE holds 2 images, name one of: localhost/sample:v1, @1");
  EXPECT_TRUE(open(test::packed(files), "@1"));
}

// As docker save wrote it before version 25: a layer that an earlier image of the archive has is a link to
// it.
TEST_F(DockerArchive, FollowsLinksBetweenLayersInsideTheArchive) {
  const auto config = sample.config.digest().hex() + ".json";
  TarBuilder tar;
  tar.dir("aa/").file("aa/layer.tar", sample.layers[0].text);
  tar.dir("bb/").link('2', "bb/layer.tar", "../cc/layer.tar");
  tar.dir("cc/").file("cc/layer.tar", sample.layers[1].text).link('1', "dd/layer.tar", "bb/layer.tar");
  tar.file(config, sample.config.text);
  const auto manifest = [&](const char* top) {
    auto copy = tar;
    return copy
        .file(
            "manifest.json",
            fmt::format(R"([{{"Config":"{}","RepoTags":null,"Layers":["aa/layer.tar","{}"]}}])", config, top))
        .str();
  };

  for (const char* top : {"bb/layer.tar", "dd/layer.tar", "./cc//layer.tar"}) {
    const auto image = open(manifest(top));
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_EQ(test::bytes_of(image->layers[1].spec), sample.layers[1].text) << top;
  }
}

TEST_F(DockerArchive, RefusesLinksThatGoInCircles) {
  const auto config = sample.config.digest().hex() + ".json";
  TarBuilder tar;
  tar.link('2', "a", "b").link('2', "b", "a").file(config, sample.config.text);
  tar.file("manifest.json", fmt::format(R"([{{"Config":"{}","RepoTags":[],"Layers":["a","b"]}}])", config));

  EXPECT_EQ(error(tar.str()), "IMAGE: the links at a lead nowhere");
}

TEST_F(DockerArchive, NeverLeavesTheArchive) {
  tmp.write("secret", "not yours");
  for (const std::string& target :
       {tmp / "secret", std::string("../secret"), std::string("../../../../etc/passwd")}) {
    const auto config = sample.config.digest().hex() + ".json";
    TarBuilder tar;
    tar.link('2', "a", target).file(config, sample.config.text);
    tar.file("manifest.json", fmt::format(R"([{{"Config":"{}","Layers":["a","../secret"]}}])", config));
    EXPECT_EQ(error(tar.str()),
              "IMAGE has no file \"a\", which should be a layer; the archive is incomplete");
  }
  auto files = sample.docker();
  auto& list = files["manifest.json"];
  list.replace(list.find(sample.config.digest().hex()), 69, "../secret");
  EXPECT_EQ(error(test::packed(files)),
            "IMAGE has no file \"../secret\", which should be the image's config; the archive is incomplete");
}

TEST_F(DockerArchive, TakesTheLastOfMembersWithOneName) {
  auto files = sample.docker();
  TarBuilder tar;
  tar.file("manifest.json", "[]");
  for (const auto& [name, content] : files) tar.file(name, content);

  EXPECT_TRUE(open(tar.str()));
}

TEST_F(DockerArchive, KnowsNoDigestOfACompressedLayerWhoseNameTellsNone) {
  // As kaniko and crane write them. The bytes need be no gzip for this: only its magic is looked at.
  auto files = sample.docker();
  auto& list = files["manifest.json"];
  const auto old_name = sample.layers[0].digest().hex() + ".tar";
  list.replace(list.find(old_name), old_name.size(), "layer.tar.gz");
  files["layer.tar.gz"] = "\x1f\x8b\x08 and so on";

  const auto image = open(test::packed(files));

  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->layers[0].media_type, "application/vnd.oci.image.layer.v1.tar+gzip");
  EXPECT_FALSE(image->layers[0].digest);
  EXPECT_FALSE(image->layers[0].spec.digest);
}

TEST_F(DockerArchive, IsRefusedWhenTheConfigIsNotWhatItsNameSays) {
  auto files = sample.docker();
  files[sample.config.digest().hex() + ".json"] += " ";

  EXPECT_THAT(error(test::packed(files)), HasSubstr("is damaged or not what it says"));
}

TEST_F(DockerArchive, IsRefusedWhenManifestAndConfigCountDifferentLayers) {
  auto files = sample.docker();
  auto& list = files["manifest.json"];
  list.erase(list.find(",\"" + sample.layers[1].digest().hex()), 71);

  EXPECT_THAT(error(test::packed(files)), HasSubstr("lists 1 layers and the config speaks of 2"));
}

TEST_F(DockerArchive, SaysWhatItIsNot) {
  EXPECT_EQ(error(TarBuilder().file("hello", "x").str()),
            "IMAGE is not a docker archive: it has no manifest.json");
  EXPECT_EQ(error(TarBuilder().file("repositories", "{}").str()),
            "IMAGE is an archive of docker before 1.10, without manifest.json; load and save it again");
  EXPECT_EQ(error(TarBuilder().file("manifest.json", "{}").str()),
            "manifest.json in IMAGE is not a list of images");
  EXPECT_EQ(
      error("\x1f\x8b\x08 anything"),
      "IMAGE is compressed as a whole (gzip), and layers are read where they lie; decompress it first, for "
      "instance with gzip -d");
}

}  // namespace
}  // namespace acetate::image
