#include "cli/mount_target.h"

#include <gtest/gtest.h>

#include "base/sys/file.h"
#include "tests/support/temp_dir.h"

namespace acetate::cli {
namespace {

class MountTarget : public ::testing::Test {
 protected:
  MountTarget() {
    tmp.mkdir("layer/deep");
    tmp.mkdir("layer-not");
    image.layers.push_back({.spec = {.path = tmp / "layer"}});
  }
  test::TempDir tmp;
  image::Image image;
};

TEST_F(MountTarget, IsADirectoryByItsRealPath) {
  ASSERT_TRUE(sys::symlink("layer-not", FileAt{kWorkingDir, (tmp / "link").c_str()}));

  EXPECT_EQ(*check_target(tmp / "link", image), tmp / "layer-not");
  EXPECT_EQ(*check_target(tmp / "layer-not/", image), tmp / "layer-not");
}

TEST_F(MountTarget, IsNotInsideALayer) {
  for (const char* inside : {"layer", "layer/deep"})
    EXPECT_EQ(check_target(tmp / inside, image).error().message(),
              tmp / inside + " is inside " + tmp / "layer" +
                  ", which is to be mounted there; choose a directory outside of it");
}

TEST_F(MountTarget, ExistsAndIsADirectory) {
  tmp.write("file", "x");

  EXPECT_EQ(check_target(tmp / "none", image).error().message(),
            "there is no directory " + tmp / "none" + "; make it first: mkdir " + tmp / "none");
  EXPECT_EQ(check_target(tmp / "file", image).error().message(), tmp / "file" + " is not a directory");
}

}  // namespace
}  // namespace acetate::cli
