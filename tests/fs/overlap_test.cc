#include "fs/overlap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/temp_dir.h"

namespace acetate::fs {
namespace {

using ::testing::HasSubstr;

class Overlap : public ::testing::Test {
 protected:
  Overlap() {
    for (const char* name : {"lower/in", "upper/in", "work/in", "mnt"}) dir_.mkdir(name);
  }
  std::string words(const std::string& lower, const std::string& upper, const std::string& work,
                    const std::string& mountpoint) {
    auto checked = check_places(
        {.lowers = {dir_ / lower}, .upper = dir_ / upper, .work = dir_ / work, .mountpoint = dir_ / mountpoint});
    return checked ? "" : checked.error().message();
  }
  test::TempDir dir_;
};

TEST_F(Overlap, PlacesBesideOneAnotherAreFine) { EXPECT_EQ(words("lower", "upper", "work", "mnt"), ""); }

TEST_F(Overlap, AMountMayCoverALayer) {
  EXPECT_EQ(words("lower", "upper", "work", "lower"), "");
  EXPECT_EQ(words("lower", "upper", "work", "upper"), "");
}

TEST_F(Overlap, AMountpointInsideALayerIsRefused) {
  EXPECT_THAT(words("lower", "upper", "work", "lower/in"), HasSubstr("lies inside lower directory"));
  EXPECT_THAT(words("lower", "upper", "work", "upper/in"), HasSubstr("lies inside upper directory"));
  EXPECT_THAT(words("lower", "upper", "work", "work/in"), HasSubstr("lies inside work directory"));
}

TEST_F(Overlap, UpperWorkAndLowerMayNotHoldOneAnother) {
  EXPECT_THAT(words("upper/in", "upper", "work", "mnt"), HasSubstr("lies inside upper directory"));
  EXPECT_THAT(words("lower", "lower/in", "work", "mnt"), HasSubstr("lies inside lower directory"));
  EXPECT_THAT(words("lower", "upper", "upper/in", "mnt"), HasSubstr("lies inside upper directory"));
  EXPECT_THAT(words("lower", "work/in", "work", "mnt"), HasSubstr("lies inside work directory"));
  EXPECT_THAT(words("lower", "upper", "lower/in", "mnt"), HasSubstr("lies inside lower directory"));
  EXPECT_THAT(words("upper", "upper", "work", "mnt"), HasSubstr("are the same directory"));
  EXPECT_THAT(words("lower", "upper", "upper", "mnt"), HasSubstr("are the same directory"));
}

TEST_F(Overlap, ASymlinkHidesNothing) {
  ASSERT_EQ(::symlink((dir_ / "lower/in").c_str(), (dir_ / "elsewhere").c_str()), 0);

  EXPECT_THAT(words("lower", "upper", "work", "elsewhere"), HasSubstr("lies inside lower directory"));
}

TEST_F(Overlap, WhatIsMissingIsNamed) {
  EXPECT_THAT(words("none", "upper", "work", "mnt"), HasSubstr("/none: No such file or directory"));
  EXPECT_THAT(words("lower", "upper", "work", "none"), HasSubstr("mountpoint " + (dir_ / "none")));
}

TEST_F(Overlap, AnOpenDescriptorIsNotLookedAt) {
  EXPECT_TRUE(check_places({.lowers = {dir_ / "lower"}, .upper = {}, .work = {}, .mountpoint = "/dev/fd/7"}));
}

}  // namespace
}  // namespace acetate::fs
