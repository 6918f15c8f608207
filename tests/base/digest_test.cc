#include "base/digest.h"

#include <gtest/gtest.h>

namespace acetate {
namespace {

constexpr const char* kEmpty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Digest, OfNothingIsTheWellKnownOne) { EXPECT_EQ(Digest::of(std::string_view()).str(), kEmpty); }

TEST(Digest, ParsesWhatItPrints) {
  const Digest digest = Digest::of("acetate");

  auto parsed = Digest::parse(digest.str());

  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, digest);
}

TEST(Digest, RefusesWhatIsNone) {
  for (const char* text : {"", "sha256:", "sha256:e3b0", "md5:d41d8cd98f00b204e9800998ecf8427e",
                           "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
                           "sha256:../../../../etc/passwd0000000000000000000000000000000000000000000"}) {
    auto parsed = Digest::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_TRUE(parsed.error().is(EINVAL)) << text;
  }
}

TEST(Digest, SaysWhichAlgorithmsItDoesNotKnow) {
  auto parsed = Digest::parse("sha512:00");
  ASSERT_FALSE(parsed);
  EXPECT_TRUE(parsed.error().is(ENOTSUP));
}

TEST(Sha256, PiecesEqualTheWhole) {
  Sha256 hash;
  hash.update("ace");
  hash.update("tate");
  EXPECT_EQ(hash.finish(), Digest::of("acetate"));
}

}  // namespace
}  // namespace acetate
