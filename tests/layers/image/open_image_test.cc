// open_image() by what lies at a path, and several tarballs as one image.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/sys/file.h"
#include "base/sys/process.h"
#include "layers/image/image.h"
#include "layers/image/recognise.h"
#include "tests/layers/image/sample.h"

namespace acetate::image {
namespace {

using test::Sample;
using test::TarBuilder;
using ::testing::HasSubstr;

class OpenImage : public ::testing::Test {
 protected:
  Result<Image> open(const std::string& name) { return open_image(tmp / name, test::amd64()); }
  test::TempDir tmp;
  Sample sample;
};

TEST_F(OpenImage, RecognisesEveryForm) {
  test::write_to(tmp, "layout", sample.oci());
  tmp.write("oci.tar", test::packed(sample.oci()));
  tmp.write("docker.tar", test::packed(sample.docker()));
  tmp.write("rootfs.tar", TarBuilder().dir("etc/").file("etc/hostname", "x").str());
  tmp.mkdir("rootfs");

  for (const char* name :
       {"layout", "layout:v1", "oci.tar", "oci.tar:v1", "docker.tar", "docker.tar:localhost/sample:v1"}) {
    const auto image = open(name);
    ASSERT_TRUE(image) << name << ": " << image.error().message();
    EXPECT_EQ(image->layers.size(), 2u) << name;
    EXPECT_EQ(image->name, tmp / name);
  }
  for (const char* name : {"rootfs.tar", "rootfs"}) {
    const auto image = open(name);
    ASSERT_TRUE(image) << name << ": " << image.error().message();
    ASSERT_EQ(image->layers.size(), 1u) << name;
    EXPECT_EQ(image->layers[0].spec.path, tmp / name);
    EXPECT_FALSE(image->layers[0].digest);
    EXPECT_EQ(image->config.platform, test::amd64());
  }
}

TEST_F(OpenImage, FindsAnImageOfALayoutByItsDigest) {
  test::write_to(tmp, "layout", sample.oci());
  const std::string digest = sample.manifest.digest().str();
  for (const std::string& name : {"layout@" + digest, "layout:v1@" + digest}) {
    const auto image = open(name);
    ASSERT_TRUE(image) << name << ": " << image.error().message();
    EXPECT_EQ(image->layers.size(), 2u) << name;
  }
  EXPECT_THAT(open("layout@sha256:" + std::string(64, '0')).error().message(), HasSubstr("holds no image named"));
}

// docker save since version 25: both descriptions of one set of blobs.
TEST_F(OpenImage, PrefersTheOciDescriptionOfAnArchiveThatHasBoth) {
  auto files = sample.oci();
  files["manifest.json"] =
      fmt::format(R"([{{"Config":"{}","RepoTags":["localhost/sample:v1"],"Layers":["{}","{}"]}}])",
                  sample.config.name(), sample.layers[0].name(), sample.layers[1].name());
  tmp.write("both.tar", test::packed(files));

  const auto by_content = open("both.tar");
  const auto as_docker = open_image("docker-archive:" + tmp / "both.tar", test::amd64());

  ASSERT_TRUE(by_content && as_docker);
  EXPECT_EQ(by_content->manifest_digest, sample.manifest.digest());
  EXPECT_FALSE(as_docker->manifest_digest);
  EXPECT_EQ(by_content->layers[0].spec, as_docker->layers[0].spec);
}

TEST_F(OpenImage, FindsAPathWithColonsInIt) {
  test::write_to(tmp, "a:b", sample.oci());

  EXPECT_TRUE(open("a:b"));
  EXPECT_TRUE(open("a:b:v1"));
}

TEST_F(OpenImage, GivesLayersPathsThatHoldFromEverywhere) {
  tmp.mkdir("real");
  ASSERT_TRUE(sys::symlink("real", FileAt{kWorkingDir, (tmp / "link").c_str()}));

  EXPECT_EQ(open("link")->layers[0].spec.path, tmp / "real");
}

TEST_F(OpenImage, SaysWhatCannotBeOpened) {
  tmp.write("note.txt", std::string(4096, 'x'));
  tmp.write("empty", "");
  ASSERT_EQ(::mkfifo((tmp / "fifo").c_str(), 0600), 0);
  tmp.mkdir("rootfs");

  EXPECT_EQ(open("nowhere").error().message(),
            "there is no image \"" + tmp / "nowhere" + "\": No such file or directory");
  EXPECT_THAT(open("note.txt").error().message(), HasSubstr("note.txt is not a tarball that can be read: "));
  EXPECT_EQ(open("fifo").error().message(), tmp / "fifo" + " is neither a directory nor a file");
  EXPECT_EQ(open("rootfs:v1").error().message(),
            tmp / "rootfs" + " is a root filesystem and not an image, so there is no \"v1\" in it");
  EXPECT_THAT(open_image("docker://alpine", test::amd64()).error().message(),
              HasSubstr("skopeo copy docker://alpine"));
  EXPECT_EQ(open_image("oci:", test::amd64()).error().message(), "\"oci:\" names no image");
}

TEST_F(OpenImage, SaysWhatToDoAboutAnImageArchiveCompressedAsAWhole) {
  // bzip2 of nothing has no member, gzip has one here: made with gzip -n of a tar with the one member
  // "oci-layout".
  tmp.write("plain.tar", TarBuilder().file("oci-layout", "{}").str());
  const auto zipped = sys::run_captured({.argv = {"gzip", "-n", "-k", tmp / "plain.tar"}});
  ASSERT_TRUE(zipped && zipped->exit.ok());

  EXPECT_EQ(open("plain.tar.gz").error().message(),
            tmp / "plain.tar.gz" +
                " is an image archive compressed as a whole (gzip), and layers are read where they "
                "lie; decompress it first, for instance with gzip -d");
}

TEST_F(OpenImage, LeavesCompressedRootFilesystemsToTheIndexer) {
  tmp.write("plain.tar", TarBuilder().file("etc/hostname", "x").str());
  const auto zipped = sys::run_captured({.argv = {"gzip", "-n", "-k", tmp / "plain.tar"}});
  ASSERT_TRUE(zipped && zipped->exit.ok());

  const auto image = open("plain.tar.gz");

  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->lowers(), std::vector<std::string>{tmp / "plain.tar.gz"});
}

TEST_F(OpenImage, FindsNoLayerInAnArchiveThatIsCutShort) {
  auto archive = test::packed(sample.oci());
  archive.resize(archive.size() / 2);
  tmp.write("cut.tar", archive);

  EXPECT_THAT(open_image("oci-archive:" + tmp / "cut.tar", test::amd64()).error().message(),
              HasSubstr("cut.tar is"));
}

TEST_F(OpenImage, NamesLayersForTheDaemonTopFirst) {
  tmp.write("oci.tar", test::packed(sample.oci()));
  const auto image = open("oci.tar");
  ASSERT_TRUE(image);

  const auto lowers = image->lowers();

  ASSERT_EQ(lowers.size(), 2u);
  EXPECT_THAT(lowers[0], HasSubstr("digest=sha256-" + sample.layers[1].digest().hex()));
  const auto back = parse_layer_spec(lowers[1]);
  ASSERT_TRUE(back);
  EXPECT_EQ(test::bytes_of(*back), sample.layers[0].text);
}

TEST_F(OpenImage, LaysTarballsOverOneAnother) {
  tmp.write("a.tar", sample.layers[0].text);
  tmp.write("b.tar", sample.layers[1].text);

  const auto image = image_from_layers({tmp / "a.tar", tmp / "b.tar"});

  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->lowers(), (std::vector<std::string>{tmp / "b.tar", tmp / "a.tar"}));
}

TEST_F(OpenImage, LaysNoImageOverATarball) {
  tmp.write("a.tar", sample.layers[0].text);
  tmp.write("oci.tar", test::packed(sample.oci()));

  EXPECT_EQ(
      image_from_layers({tmp / "a.tar", tmp / "oci.tar"}).error().message(),
      tmp / "oci.tar" + " is an image; only plain tarballs and directories can be laid over one another");
  EXPECT_EQ(image_from_layers({tmp / "gone.tar"}).error().message(),
            "there is no layer \"" + tmp / "gone.tar" + "\": No such file or directory");
}

TEST(Recognise, TellsRootFilesystemsByTheirFirstNames) {
  EXPECT_TRUE(belongs_to_rootfs("etc/passwd"));
  EXPECT_TRUE(belongs_to_rootfs(".wh.gone"));
  EXPECT_FALSE(belongs_to_rootfs("blobs/sha256"));
  EXPECT_FALSE(belongs_to_rootfs("manifest.json"));
  EXPECT_TRUE(begins_image_archive("blobs"));
  EXPECT_TRUE(begins_image_archive(std::string(64, 'a') + ".tar"));
  EXPECT_TRUE(begins_image_archive(std::string(64, 'a') + "/VERSION"));
  EXPECT_FALSE(begins_image_archive("usr/bin"));
}

}  // namespace
}  // namespace acetate::image
