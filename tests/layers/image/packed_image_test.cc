#include "layers/image/packed_image.h"

#include <gtest/gtest.h>

#include "base/sys/process.h"
#include "layers/image/media_type.h"
#include "layers/image/oci_image.h"
#include "tests/layers/image/sample.h"

namespace acetate::image {
namespace {

using test::Sample;

class PackedImageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    test::write_to(tmp, "layout", sample.oci());
    files = *directory_files(tmp / "layout");
  }
  static Descriptor descriptor_of(const test::Blob& blob) { return {.media_type = blob.media_type, .digest = blob.digest(), .size = blob.text.size()}; }

  test::TempDir tmp;
  Sample sample;
  std::unique_ptr<ImageFiles> files;
};

TEST_F(PackedImageTest, HasGzipLayersOfTheSameBytesAndTheSameId) {
  const auto packed = PackedImage::make(*files, descriptor_of(sample.manifest), tmp / "made");
  ASSERT_TRUE(packed && *packed) << (packed ? "nothing to pack" : packed.error().message());

  const auto text = read_blob(**packed, (*packed)->target());
  ASSERT_TRUE(text) << text.error().message();
  const auto document = parse_document(*text, kOciManifest, "the manifest");
  ASSERT_TRUE(document && document->manifest);
  EXPECT_EQ(document->manifest->config.digest, sample.config.digest());
  ASSERT_EQ(document->manifest->layers.size(), 2U);
  for (std::size_t n = 0; n < 2; ++n) {
    const Descriptor& layer = document->manifest->layers[n];
    EXPECT_EQ(layer.media_type, kOciLayerGzip);
    const auto plain = sys::run_captured({.argv = {"gzip", "-dc", tmp / ("made/" + blob_name(layer.digest))}});
    ASSERT_TRUE(plain && plain->exit.ok());
    EXPECT_EQ(plain->out, sample.layers[n].text);
  }
  EXPECT_TRUE(read_blob(**packed, document->manifest->config)) << "what did not change is found where it was";
}

TEST_F(PackedImageTest, LeavesAloneWhatIsPacked) {
  const auto packed = PackedImage::make(*files, descriptor_of(sample.manifest), tmp / "made");
  ASSERT_TRUE(packed && *packed);
  const auto again = PackedImage::make(**packed, (*packed)->target(), tmp / "again");
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(*again, nullptr);
}

TEST_F(PackedImageTest, RefusesALayerThatIsDamaged) {
  tmp.write("layout/" + sample.layers[0].name(), std::string(sample.layers[0].text.size(), 'x'));
  const auto packed = PackedImage::make(*files, descriptor_of(sample.manifest), tmp / "made");
  ASSERT_FALSE(packed);
  EXPECT_TRUE(packed.error().is(EBADMSG)) << packed.error().message();
}

TEST_F(PackedImageTest, PacksTheImagesOfAnIndexAndLeavesOneWithAttestations) {
  const auto put = [&](const test::Blob& blob) {
    tmp.write("layout/" + blob.name(), blob.text);
    return descriptor_of(blob);
  };
  const auto plain = PackedImage::make(*files, put(test::index_blob({sample.manifest.descriptor()})), tmp / "made");
  ASSERT_TRUE(plain && *plain) << (plain ? "nothing to pack" : plain.error().message());
  const auto text = read_blob(**plain, (*plain)->target());
  ASSERT_TRUE(text);
  EXPECT_EQ(text->find(sample.manifest.digest().str()), std::string::npos);

  const auto told = put(test::index_blob(
      {sample.manifest.descriptor(), sample.manifest.descriptor(R"("annotations":{"vnd.docker.reference.type":"attestation-manifest"})")}));
  const auto left = PackedImage::make(*files, told, tmp / "left");
  ASSERT_TRUE(left) << left.error().message();
  EXPECT_EQ(*left, nullptr);
}

}  // namespace
}  // namespace acetate::image
