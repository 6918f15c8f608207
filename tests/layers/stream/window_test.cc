#include "layers/stream/window.h"

#include <gtest/gtest.h>

#include "layers/stream/recent_bytes.h"
#include "tests/layers/stream/packed_data.h"

namespace acetate {
namespace {

TEST(Window, SurvivesPacking) {
  for (const std::size_t size : {0u, 1u, 1000u, 32768u}) {
    for (const auto& window : {test::sample_bytes(size, 1), test::noise_bytes(size, 1)}) {
      const auto packed = pack_window(window);
      EXPECT_FALSE(packed.empty());
      const auto unpacked = unpack_window(packed);
      ASSERT_TRUE(unpacked);
      EXPECT_TRUE(*unpacked == window);
    }
  }
}

TEST(Window, ThatIsDamagedIsRefused) {
  EXPECT_TRUE(unpack_window({}).error().is(EBADMSG));
  EXPECT_TRUE(unpack_window(test::bytes_of("no window")).error().is(EBADMSG));
  EXPECT_TRUE(unpack_window(test::zstd_of(test::Bytes(32769))).error().is(EBADMSG)) << "too long";
  auto cut = pack_window(test::sample_bytes(32768, 2));
  cut.resize(cut.size() / 2);
  EXPECT_TRUE(unpack_window(cut).error().is(EBADMSG));
}

TEST(RecentBytes, AreTheLastOnesHoweverTheyCame) {
  const auto all = test::sample_bytes(200'000, 3);
  for (const std::size_t piece : {1u, 1000u, 32767u, 32768u, 32769u, 70'000u}) {
    RecentBytes recent;
    for (std::size_t at = 0; at < all.size();) {
      const std::size_t count = std::min(piece, all.size() - at);
      recent.append(std::span(all).subspan(at, count));
      at += count;
      const std::size_t kept = std::min(at, kWindowBytes);
      if (at % 3 != 0 && at < all.size()) continue;
      const auto want = std::span(all).subspan(at - kept, kept);
      ASSERT_TRUE(std::ranges::equal(recent.window(), want)) << piece << " at " << at;
      if (piece == 1 && at > 100) break;
    }
  }
}

}  // namespace
}  // namespace acetate
