// Images through every form and back: what comes out has the digests of what went in.
#include "layers/image/image_copy.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sys/file.h"
#include "layers/image/dir_image.h"
#include "layers/image/image_place.h"
#include "layers/image/json.h"
#include "layers/image/save.h"
#include "tests/layers/image/sample.h"

namespace acetate::image {
namespace {

using test::Sample;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// One block that is stored as it is.
std::string gzipped(const std::string& text) {
  std::uint32_t crc = ~0U;
  for (const unsigned char c : text) {
    crc ^= c;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320U : 0U);
  }
  std::string out("\x1f\x8b\x08\0\0\0\0\0\0\x03\x01", 11);
  const auto add = [&](std::size_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  };
  add(text.size(), 2);
  add(~text.size(), 2);
  out += text;
  add(~crc, 4);
  add(text.size(), 4);
  return out;
}

class CopyTest : public ::testing::Test {
 protected:
  CopyTest() { test::write_to(tmp, "from", sample.oci()); }

  Descriptor target() const { return {sample.manifest.media_type, sample.manifest.digest(), sample.manifest.text.size()}; }
  std::unique_ptr<ImageFiles> from() { return *directory_files(tmp / "from"); }
  std::vector<SavedImage> saved(const ImageFiles& files) { return {{&files, {.target = target(), .names = {"docker.io/library/app:v1"}}}}; }
  template <class Write>
  std::string archive(const std::string& name, Write&& write) {
    const auto out = *sys::open(tmp / name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    const Result<void> written = write(out.ref());
    EXPECT_TRUE(written) << written.error().message();
    return tmp / name;
  }

  test::TempDir tmp;
  Sample sample;
};

TEST_F(CopyTest, IntoALayoutIsWholeAndByteForByte) {
  const auto to = *Layout::open(tmp / "to");
  ASSERT_TRUE(copy_image(*from(), target(), *to));
  for (const auto& blob : {sample.layers[0], sample.layers[1], sample.config, sample.manifest})
    EXPECT_EQ(tmp.read("to/" + blob.name()), blob.text);
}

TEST_F(CopyTest, KeepsEveryDigestOfAnImageThatIsNamedBySha512) {
  sample = Sample::by_sha512();
  test::write_to(tmp, "named", sample.oci());
  const auto files = *directory_files(tmp / "named");
  const auto oci = archive("named.tar", [&](FdRef out) { return write_oci_archive(saved(*files), out); });
  const auto docker = archive("docker.tar", [&](FdRef out) { return write_docker_archive(saved(*files), test::amd64(), out); });
  const auto packed = archive("packed.tar", [&](FdRef out) { return write_oci_archive(tmp / "named", out); });
  for (const auto& path : {tmp / "named", oci, docker, packed}) {
    const auto source = open_image_source(path, PlaceKind::store, std::nullopt);
    ASSERT_TRUE(source) << path << ": " << source.error().message();
    ASSERT_THAT(source->images, SizeIs(1));
    EXPECT_EQ(source->images[0].target, target());
    const test::TempDir into;
    const auto to = *Layout::open(into / "to");
    ASSERT_TRUE(copy_image(*source->files, target(), *to)) << path;
    for (const auto& blob : {sample.layers[0], sample.layers[1], sample.config, sample.manifest})
      EXPECT_EQ(into.read("to/" + blob.name()), blob.text) << path;
  }

  ASSERT_TRUE(write_dir_image(*files, target(), tmp / "dir"));
  const auto dir = *dir_image_files(tmp / "dir");
  EXPECT_EQ(*read_blob(*dir, {.media_type = "", .digest = sample.config.digest(), .size = sample.config.text.size()}), sample.config.text);
  EXPECT_EQ(test::bytes_of(*dir->locate(sample.layers[1].name())), sample.layers[1].text);
}

TEST_F(CopyTest, DockersFormAloneIsCheckedByTheDiffIdsThatItsConfigHas) {
  sample = Sample::by_sha512();
  sample.layers[1].text[600] ^= 1;
  tmp.write("docker.tar", test::packed(sample.docker()));
  const auto to = *Layout::open(tmp / "to");
  const auto refused = copy_docker_archive(**archive_files(tmp / "docker.tar"), *to, std::nullopt);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(EBADMSG)) << refused.error().message();

  sample = Sample::by_sha512();
  tmp.write("good.tar", test::packed(sample.docker()));
  const auto taken = copy_docker_archive(**archive_files(tmp / "good.tar"), *to, std::nullopt);
  ASSERT_TRUE(taken) << taken.error().message();
  EXPECT_TRUE(*to->has_blob(sample.layers[0].digest()));
}

TEST_F(CopyTest, ReadsNothingThatIsThereAlready) {
  const auto to = *Layout::open(tmp / "to");
  for (const auto& layer : sample.layers) ASSERT_TRUE(to->put_blob(layer.text, layer.media_type));
  std::vector<Digest> asked;
  ASSERT_TRUE(copy_image(*from(), target(), *to, [&](const Descriptor& blob) {
    asked.push_back(blob.digest);
    return to->has_blob(blob.digest);
  }));
  EXPECT_THAT(asked, ElementsAre(sample.config.digest(), sample.layers[0].digest(), sample.layers[1].digest(),
                                 sample.manifest.digest()))
      << "documents after what they point at";
}

TEST_F(CopyTest, OfADamagedBlobFailsAndPublishesNothing) {
  tmp.write("from/" + sample.layers[1].name(), std::string(sample.layers[1].text.size(), 'x'));
  const auto to = *Layout::open(tmp / "to");
  const auto copied = copy_image(*from(), target(), *to);
  ASSERT_FALSE(copied);
  EXPECT_THAT(copied.error().message(), HasSubstr("is damaged or not what it says"));
  EXPECT_FALSE(*to->has_blob(sample.layers[1].digest()));
  EXPECT_FALSE(*to->has_blob(sample.manifest.digest()));
}

TEST_F(CopyTest, PacksNoDamagedBlobIntoAnArchive) {
  for (const auto& damaged : {sample.layers[1], sample.config, sample.manifest}) {
    const test::TempDir dir;
    test::write_to(dir, "from", sample.oci());
    auto text = damaged.text;
    text[text.size() / 2] ^= 1;
    dir.write("from/" + damaged.name(), text);
    const auto files = *directory_files(dir / "from");
    const auto out = *sys::open(dir / "out.tar", O_WRONLY | O_CREAT, 0644);
    for (const auto& written : {write_oci_archive(saved(*files), out.ref()), write_docker_archive(saved(*files), test::amd64(), out.ref()),
                                write_oci_archive(dir / "from", out.ref())}) {
      ASSERT_FALSE(written) << damaged.name();
      EXPECT_TRUE(written.error().is(EBADMSG)) << written.error().message();
      EXPECT_THAT(written.error().message(), HasSubstr(damaged.digest().hex()));
    }
  }
}

TEST_F(CopyTest, OciArchiveComesBackAsItWas) {
  const auto files = from();
  const auto path = archive("image.tar", [&](FdRef out) { return write_oci_archive(saved(*files), out); });
  const auto back = open_image_source(path, PlaceKind::store, std::nullopt);
  ASSERT_TRUE(back) << back.error().message();
  ASSERT_THAT(back->images, SizeIs(1));
  EXPECT_EQ(back->images[0].target, target());
  EXPECT_THAT(back->images[0].names, ElementsAre("docker.io/library/app:v1"));
  EXPECT_TRUE(open_image_source(path, PlaceKind::store, "app:v1"));
  EXPECT_THAT(open_image_source(path, PlaceKind::store, "other").error().message(), HasSubstr("it holds docker.io/library/app:v1"));
}

TEST_F(CopyTest, DockerArchiveIsALayoutAndDockersFormAtOnce) {
  const auto files = from();
  const auto path = archive("docker.tar", [&](FdRef out) { return write_docker_archive(saved(*files), test::amd64(), out); });
  const auto as_layout = *open_image_source(path, PlaceKind::docker_archive, std::nullopt);
  EXPECT_FALSE(as_layout.is_docker);
  EXPECT_EQ(as_layout.images.at(0).target, target());

  const auto as_docker = archive_files(path);
  const auto to = *Layout::open(tmp / "to");
  const auto images = copy_docker_archive(**as_docker, *to, "app:v1");
  ASSERT_TRUE(images) << images.error().message();
  ASSERT_THAT(*images, SizeIs(1));
  EXPECT_THAT(images->at(0).names, ElementsAre("app:v1"));
  EXPECT_TRUE(*to->has_blob(sample.config.digest())) << "the id stays what it was";
}

TEST_F(CopyTest, DirComesBackAsItWas) {
  ASSERT_TRUE(write_dir_image(*from(), target(), tmp / "dir"));
  ASSERT_TRUE(write_dir_image(*from(), target(), tmp / "dir")) << "in place of the same";
  const auto back = *open_image_source(tmp / "dir", PlaceKind::store, std::nullopt);
  EXPECT_EQ(back.images.at(0).target, target());
  const auto to = *Layout::open(tmp / "to");
  ASSERT_TRUE(copy_image(*back.files, target(), *to));

  tmp.write("mine/thesis.txt", "x");
  EXPECT_TRUE(write_dir_image(*from(), target(), tmp / "mine").error().is(EEXIST));
}

TEST_F(CopyTest, DockerArchiveWithoutManifestsIsVerifiedAgainstItsConfig) {
  auto good = sample.docker();
  tmp.write("good.tar", test::packed(good));
  const auto to = *Layout::open(tmp / "to");
  const auto images = copy_docker_archive(**archive_files(tmp / "good.tar"), *to, std::nullopt);
  ASSERT_TRUE(images) << images.error().message();
  EXPECT_THAT(images->at(0).names, ElementsAre("localhost/sample:v1"));
  EXPECT_TRUE(*to->has_blob(sample.layers[0].digest()));
  EXPECT_TRUE(to->set_reference("v1", images->at(0).target));

  auto& layer = good[sample.layers[0].digest().hex() + ".tar"];
  layer[600] = 'x';
  tmp.write("bad.tar", test::packed(good));
  const auto other = *Layout::open(tmp / "other");
  EXPECT_TRUE(copy_docker_archive(**archive_files(tmp / "bad.tar"), *other, std::nullopt).error().is(EBADMSG));
}

// As docker save writes it of images with compressed layers: named by their own digests, which say nothing of the diff IDs.
TEST_F(CopyTest, DockerArchiveIsVerifiedAgainstItsConfigWhateverTheStoreHas) {
  const std::string packed = gzipped(sample.layers[0].text);
  const std::string packed_name = "blobs/sha256/" + Digest::of(packed).hex();
  const auto archive_of = [&](std::vector<test::Blob> layers) {
    const auto config = test::config_blob("amd64", layers);
    test::Files files{{packed_name, packed}, {config.digest().hex() + ".json", config.text}};
    files["manifest.json"] = fmt::format(R"([{{"Config":"{}.json","RepoTags":["app:{}"],"Layers":["{}"]}}])", config.digest().hex(),
                                         layers[0].digest() == sample.layers[0].digest() ? "good" : "bad", packed_name);
    return files;
  };
  const auto good = archive_of({sample.layers[0]});
  auto bad = archive_of({sample.layers[1]});
  tmp.write("good.tar", test::packed(good));
  tmp.write("bad.tar", test::packed(bad));
  const auto to = *Layout::open(tmp / "to");
  const auto taken = copy_docker_archive(**archive_files(tmp / "good.tar"), *to, std::nullopt);
  ASSERT_TRUE(taken) << taken.error().message();
  EXPECT_TRUE(*to->has_blob(Digest::of(packed)));
  EXPECT_TRUE(copy_docker_archive(**archive_files(tmp / "good.tar"), *to, std::nullopt)) << "again, where it is there";

  const auto refused = copy_docker_archive(**archive_files(tmp / "bad.tar"), *to, std::nullopt);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("is damaged or not what the config says"));

  // Both in one archive.
  const auto inner = [](const std::string& list) { return list.substr(1, list.size() - 2); };
  const auto list = "[" + inner(good.at("manifest.json")) + "," + inner(bad.at("manifest.json")) + "]";
  bad.insert(good.begin(), good.end());
  bad["manifest.json"] = list;
  tmp.write("both.tar", test::packed(bad));
  const auto other = *Layout::open(tmp / "other");
  const auto both = copy_docker_archive(**archive_files(tmp / "both.tar"), *other, std::nullopt);
  ASSERT_FALSE(both);
  EXPECT_TRUE(both.error().is(EBADMSG)) << both.error().message();
}

TEST_F(CopyTest, OfAnIndexKeepsItWholeAndPicksAPlatformWhenAsked) {
  const auto arm_config = test::config_blob("arm64", sample.layers);
  const auto arm = test::manifest_blob(arm_config, sample.layers);
  const auto index = test::index_blob({sample.manifest.descriptor(R"("platform":{"os":"linux","architecture":"amd64"})"),
                                       arm.descriptor(R"("platform":{"os":"linux","architecture":"arm64"})")});
  test::write_to(tmp, "multi", test::layout_files({sample.layers[0], sample.layers[1], sample.config, sample.manifest, arm_config, arm, index},
                                                  {index.descriptor()}));
  const auto files = *directory_files(tmp / "multi");
  const Descriptor top{index.media_type, index.digest(), index.text.size()};
  const auto to = *Layout::open(tmp / "to");
  ASSERT_TRUE(copy_image(*files, top, *to));
  for (const auto& blob : {arm, arm_config, sample.manifest, index}) EXPECT_TRUE(*to->has_blob(blob.digest()));
  EXPECT_EQ(manifest_for(*files, top, test::arm64())->digest, arm.digest());
}

TEST_F(CopyTest, ArtifactsAreCopiedLikeImages) {
  const test::Blob empty{"{}", "application/vnd.oci.empty.v1+json"};
  const test::Blob sbom{"packages", "text/plain"};
  const test::Blob artifact{fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","artifactType":"text/sbom","config":{},"layers":[{}]}})",
                                        test::kManifestType, empty.descriptor(), sbom.descriptor()),
                            test::kManifestType};
  test::write_to(tmp, "art", test::layout_files({empty, sbom, artifact}, {artifact.descriptor()}));
  const auto to = *Layout::open(tmp / "to");
  ASSERT_TRUE(copy_image(**directory_files(tmp / "art"), {artifact.media_type, artifact.digest(), artifact.text.size()}, *to));
  EXPECT_TRUE(*to->has_blob(sbom.digest()));
}

TEST(ImagePlace, IsReadAsSkopeoReadsIt) {
  test::TempDir tmp;
  tmp.mkdir("a:b");
  const auto place = [](const std::string& text) { return *parse_image_place(text); };
  EXPECT_EQ(place("docker://quay.io/app:v1").kind, PlaceKind::registry);
  EXPECT_EQ(place("alpine:3").kind, PlaceKind::store);
  EXPECT_EQ(place("oci:" + tmp / "a:b").where, tmp / "a:b") << "a path that is there";
  EXPECT_EQ(place("oci:" + tmp / "a:b:v1").name, "v1");
  EXPECT_EQ(place("oci:new:docker.io/app:v1").where, "new");
  EXPECT_EQ(place("oci:new:docker.io/app:v1").name, "docker.io/app:v1");
  EXPECT_EQ(place("dir:x:y").where, "x:y");
  for (const char* text : {"oci:", "oci:x:", "docker://"}) EXPECT_TRUE(parse_image_place(text).error().is(EINVAL)) << text;
  EXPECT_TRUE(parse_image_place("containers-storage:x").error().is(ENOTSUP));
}

}  // namespace
}  // namespace acetate::image
