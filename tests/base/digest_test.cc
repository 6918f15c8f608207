#include "base/digest.h"

#include <gtest/gtest.h>

namespace acetate {
namespace {

constexpr const char* kEmpty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Digest, OfNothingIsTheWellKnownOne) { EXPECT_EQ(Digest::of(std::string_view()).str(), kEmpty); }

TEST(Digest, OfNothingBySha512IsTheWellKnownOneToo) {
  EXPECT_EQ(Digest::of(std::string_view(), Digest::Algorithm::sha512).str(),
            "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e");
}

TEST(Digest, ParsesWhatItPrints) {
  for (const auto algorithm : Digest::kAlgorithms) {
    const Digest digest = Digest::of("acetate", algorithm);

    auto parsed = Digest::parse(digest.str());

    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, digest);
    EXPECT_EQ(Digest::from_hex(digest.hex()), digest);
    EXPECT_EQ(Digest(algorithm, digest.bytes()), digest);
    EXPECT_EQ(*parse_algorithm(name_of(algorithm)), algorithm);
  }
  EXPECT_TRUE(parse_algorithm("md5").error().is(ENOTSUP));
}

TEST(Digest, OfTwoAlgorithmsAreNeverEqual) {
  const Digest whole = Digest::of("acetate", Digest::Algorithm::sha512);
  const Digest half(Digest::Algorithm::sha256, whole.head());
  EXPECT_NE(whole, half);
  EXPECT_LT(half, whole) << "those of SHA-256 come first";
}

TEST(Digest, RefusesWhatIsNone) {
  for (const char* text : {"", "sha256:", "sha256:e3b0", "md5:d41d8cd98f00b204e9800998ecf8427e",
                           "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
                           "sha256:../../../../etc/passwd0000000000000000000000000000000000000000000", "sha512:00",
                           "sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                           "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}) {
    auto parsed = Digest::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_TRUE(parsed.error().is(EINVAL)) << text;
  }
}

TEST(Digest, SaysWhichAlgorithmsItDoesNotKnow) {
  auto parsed = Digest::parse("sha384:00");
  ASSERT_FALSE(parsed);
  EXPECT_TRUE(parsed.error().is(ENOTSUP));
}

TEST(Hasher, PiecesEqualTheWhole) {
  for (const auto algorithm : Digest::kAlgorithms) {
    Hasher hash(algorithm);
    hash.update("ace");
    hash.update("tate");
    EXPECT_EQ(hash.algorithm(), algorithm);
    EXPECT_EQ(hash.finish(), Digest::of("acetate", algorithm));
  }
}

}  // namespace
}  // namespace acetate
