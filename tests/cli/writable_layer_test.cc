#include "cli/writable_layer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace acetate::cli {
namespace {

image::Image image_of(const std::string& text) {
  image::Image image;
  image.layers.push_back({.spec = {.path = "/somewhere"}, .digest = Digest::of(text)});
  return image;
}

TEST(WritableLayer, IsTheSameForTheSameMountpointAndImage) {
  test::TempDir tmp;

  const auto first = prepare_writable_layer(tmp / "writable", "/home/me/mnt", image_of("a"));
  const auto again = prepare_writable_layer(tmp / "writable", "/home/me/mnt", image_of("a"));

  ASSERT_TRUE(first) << first.error().message();
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(first->upper, again->upper);
  EXPECT_THAT(first->upper, ::testing::HasSubstr("/writable/mnt-"));
  EXPECT_TRUE(tmp.exists(first->upper.substr(tmp.path().size() + 1)));
  EXPECT_TRUE(tmp.exists(first->work.substr(tmp.path().size() + 1)));
}

TEST(WritableLayer, IsAnotherForAnotherMountpointOfTheSameName) {
  test::TempDir tmp;

  const auto one = prepare_writable_layer(tmp / "writable", "/a/mnt", image_of("a"));
  const auto other = prepare_writable_layer(tmp / "writable", "/b/mnt", image_of("a"));

  ASSERT_TRUE(one && other);
  EXPECT_NE(one->upper, other->upper);
}

TEST(WritableLayer, IsNotLaidOverAnotherImage) {
  test::TempDir tmp;
  ASSERT_TRUE(prepare_writable_layer(tmp / "writable", "/a/mnt", image_of("a")));

  const auto other = prepare_writable_layer(tmp / "writable", "/a/mnt", image_of("b"));

  ASSERT_FALSE(other);
  EXPECT_TRUE(other.error().is(EEXIST));
  EXPECT_THAT(other.error().message(),
              ::testing::HasSubstr("belongs to another image; remove that directory"));
}

}  // namespace
}  // namespace acetate::cli
