#include "cli/image_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "layers/image/image_collect.h"
#include "layers/image/image_store.h"
#include "layers/image/layout.h"
#include "tests/layers/image/sample.h"

namespace acetate::cli {
namespace {

class ImageName : public ::testing::Test {
 protected:
  ImageName() {
    paths.data = tmp / "data";
    test::write_to(tmp, "data/images", sample.oci());
    auto layout = *image::Layout::open(paths.images());
    EXPECT_TRUE(layout->set_reference(
        "localhost/app:latest",
        {sample.manifest.media_type, sample.manifest.digest(), sample.manifest.text.size()}));
  }
  test::TempDir tmp;
  test::Sample sample;
  Paths paths;
};

TEST_F(ImageName, IsLookedForInTheStore) {
  for (const char* name : {"localhost/app:latest", "localhost/app", "app", "v1"}) {
    const auto image = find_image(paths, name, "linux/amd64");
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_EQ(image->name, name);
    EXPECT_EQ(image->manifest_digest, sample.manifest.digest());
  }
}

TEST_F(ImageName, ThatBeginsLikeAPathIsOne) {
  tmp.mkdir("v1");

  const auto image = find_image(paths, tmp / "v1", "");

  ASSERT_TRUE(image) << image.error().message();
  EXPECT_FALSE(image->manifest_digest);
}

TEST_F(ImageName, ThatIsNowhereIsToldWithWhatThereIs) {
  const auto image = find_image(paths, "nosuch", "linux/amd64");

  ASSERT_FALSE(image);
  EXPECT_THAT(image.error().message(),
              ::testing::HasSubstr("there is no image \"nosuch\" here, neither in the store nor as a file; acetate pull nosuch gets it"));
}

TEST_F(ImageName, OfAFileThatHoldsNoSuchImageIsToldWithWhatItHolds) {
  const auto image = find_image(paths, paths.images() + ":v9", "linux/amd64");

  ASSERT_FALSE(image);
  EXPECT_THAT(image.error().message(), ::testing::HasSubstr("holds no image named \"v9\"; it holds "));
}

TEST_F(ImageName, KeepsItsLayersUntilItsHoldIsGivenBack) {
  ASSERT_TRUE(image::ImageStore::open({.dir = paths.images()}));
  auto image = find_image(paths, "app", "linux/amd64");
  ASSERT_TRUE(image) << image.error().message();
  auto copy = *image;

  const auto collect = [&] { return image::collect({.dir = paths.images()}, {.wait = false}); };
  EXPECT_TRUE(collect().error().is(EWOULDBLOCK));
  image->hold.reset();
  EXPECT_TRUE(collect().error().is(EWOULDBLOCK)) << "somebody else has it";
  copy.hold.reset();
  EXPECT_TRUE(collect());
}

TEST_F(ImageName, IsForThePlatformThatIsAskedFor) {
  EXPECT_THAT(find_image(paths, "v1", "arm64").error().message(),
              ::testing::HasSubstr("has no image for linux/arm64"));
  EXPECT_THAT(find_image(paths, "v1", "a/b/c/d").error().message(),
              ::testing::HasSubstr("is not a platform"));
}

}  // namespace
}  // namespace acetate::cli
