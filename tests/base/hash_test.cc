#include "base/hash.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <vector>

namespace acetate {
namespace {

// Indexes and mirrors are written on one machine and read on another: whichever form of it a processor is given, the number is one.
TEST(Xxh3, IsWhatTheLibrarySaysAtEveryLengthWhereTheFunctionChanges) {
  std::vector<std::byte> bytes(70000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 2654435761U >> 13);
  for (const std::size_t length : {0, 1, 3, 4, 8, 9, 16, 17, 128, 129, 240, 241, 1023, 1024, 1025, 65536, 70000})
    for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0x9E3779B97F4A7C15}})
      EXPECT_EQ(xxh3(std::span(bytes).first(length), seed), ::XXH3_64bits_withSeed(bytes.data(), length, seed)) << length << ' ' << seed;
}

TEST(Xxh3, OfNothingIsTheNumberOfTheSpecification) { EXPECT_EQ(xxh3(std::string_view()), 0x2D06800538D394C2U); }

}  // namespace
}  // namespace acetate
