#include "layers/registry/serve/uploads.h"

#include <gtest/gtest.h>

#include "tests/layers/registry/stored_sample.h"
#include "tests/support/temp_dir.h"

namespace acetate::registry {
namespace {

TEST(UploadsUnderWay, MakeRoomWhenNobodyComesBack) {
  const test::TempDir dir;
  const std::shared_ptr<image::ImageStore> store = test::open_store(dir / "store");
  Uploads patient(2, std::chrono::hours(1)), brisk(2, std::chrono::seconds(0));
  const auto begin = [&](Uploads& uploads) { return uploads.begin("a", *store->new_blob()); };
  for (auto* uploads : {&patient, &brisk}) {
    const auto first = begin(*uploads), second = begin(*uploads);
    ASSERT_TRUE(first && second);
    const auto third = begin(*uploads);
    if (uploads == &patient) {
      ASSERT_FALSE(third);
      EXPECT_TRUE(third.error().is(EBUSY));
      EXPECT_NE(patient.find("a", *first), nullptr);
      continue;
    }
    ASSERT_TRUE(third);
    EXPECT_EQ(brisk.find("a", *first), nullptr) << "touched longest ago";
    const auto in_use = brisk.find("a", *second);
    ASSERT_NE(in_use, nullptr);
    EXPECT_TRUE(begin(brisk));
    EXPECT_EQ(brisk.find("a", *third), nullptr) << "the other has a request at it";
  }
}

}  // namespace
}  // namespace acetate::registry
