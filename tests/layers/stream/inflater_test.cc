#include "layers/stream/inflater.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <random>
#include <set>

#include "tests/layers/stream/packed_data.h"

namespace acetate {
namespace {

using test::Bytes;

// A gzip member without its header and trailer.
Bytes deflate_of(const Bytes& plain, const test::GzipMake& make) {
  const Bytes gzip = test::gzip_of(plain, make);
  return Bytes(gzip.begin() + 10, gzip.end() - 8);
}

struct Inflated {
  Bytes plain;
  std::ptrdiff_t consumed = 0;
  std::set<std::pair<std::uint64_t, std::uint64_t>> starts;  // packed bit, plain offset
  bool ended = false;
  bool failed = false;
};

// Inflates `packed`, in and out in pieces of random sizes.
Inflated inflate_in_pieces(InflateEngine engine, const Bytes& packed, bool stop, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  auto inflater = *make_inflater(engine);
  EXPECT_TRUE(inflater->begin());
  Inflated inflated;
  Bytes out(100'000);
  for (int barren = 0; !inflated.ended && barren < 3;) {
    const auto at = static_cast<std::size_t>(inflated.consumed);
    const auto in = std::span(packed).subspan(at, std::min<std::size_t>(random() % 20'000, packed.size() - at));
    const auto step = inflater->step(in, std::span(out).first(1 + random() % out.size()), stop);
    if (!step) {
      EXPECT_TRUE(step.error().is(EBADMSG));
      inflated.failed = true;
      return inflated;
    }
    test::append(inflated.plain, std::span(out).first(step->produced));
    inflated.consumed += step->consumed;
    inflated.ended = step->at == Inflater::At::end;
    if (step->at == Inflater::At::block_start) {
      inflated.starts.emplace(static_cast<std::uint64_t>(inflated.consumed) * 8 - step->unused_bits,
                              inflated.plain.size());
    }
    const bool progress = step->produced > 0 || step->consumed != 0 || at < packed.size();
    barren = progress ? 0 : barren + 1;
  }
  return inflated;
}

class EveryStream : public ::testing::TestWithParam<test::GzipMake> {};

TEST_P(EveryStream, InflatesAlikeWithEveryEngineAndEndsAtTheSameByte) {
  const Bytes plain = test::sample_bytes(1'500'000, 1);
  Bytes packed = deflate_of(plain, GetParam());
  const auto size = static_cast<std::ptrdiff_t>(packed.size());
  test::append(packed, test::noise_bytes(100, 2));  // what follows belongs to nobody
  for (const InflateEngine engine : test::kEngines) {
    for (const bool stop : {false, true}) {
      const auto inflated = inflate_in_pieces(engine, packed, stop, 3);
      EXPECT_TRUE(inflated.ended);
      EXPECT_TRUE(inflated.plain == plain);
      EXPECT_EQ(inflated.consumed, size);
    }
  }
}

// zlib stops at every block; what the fast one finds must be among these, to the bit.
TEST_P(EveryStream, HasBlockStartsWhereZlibSaysSo) {
  const Bytes packed = deflate_of(test::sample_bytes(1'500'000, 4), GetParam());
  auto exact = inflate_in_pieces(InflateEngine::zlib, packed, true, 5).starts;
  exact.emplace(0, 0);
  const auto found = inflate_in_pieces(InflateEngine::fastest, packed, true, 6).starts;
  for (const auto& start : found) EXPECT_TRUE(exact.contains(start)) << start.first << " " << start.second;
  if (GetParam().level > 0 && GetParam().strategy != Z_FIXED) {
    EXPECT_GT(found.size(), exact.size() / 5);  // markers without data slip through
  }
}

INSTANTIATE_TEST_SUITE_P(Of, EveryStream,
                         ::testing::Values(test::GzipMake{.level = 0}, test::GzipMake{.level = 1},
                                           test::GzipMake{.level = 9}, test::GzipMake{.memory = 2},
                                           test::GzipMake{.strategy = Z_FIXED},
                                           test::GzipMake{.strategy = Z_HUFFMAN_ONLY},
                                           test::GzipMake{.flush_every = 5000, .flush = Z_SYNC_FLUSH},
                                           test::GzipMake{.flush_every = 50'000, .flush = Z_FULL_FLUSH}));

TEST(Inflater, JudgesDamagedStreamsAlikeOrLeavesThemToTheChecksum) {
  const Bytes plain = test::sample_bytes(30'000, 7);
  std::mt19937_64 random(8);
  int alike = 0;
  constexpr int kRounds = 800;
  for (int round = 0; round < kRounds; ++round) {
    Bytes packed = deflate_of(plain, {.level = round % 10, .memory = 1 + round % 9});
    packed[random() % packed.size()] ^= static_cast<std::byte>(1 << random() % 8);
    const auto exact = inflate_in_pieces(InflateEngine::zlib, packed, round % 2 == 0, 9);
    const auto fast = inflate_in_pieces(InflateEngine::fastest, packed, round % 2 == 0, 10);
    // Where both get through they must agree; one may refuse code tables the other lets pass.
    if (exact.ended && fast.ended) {
      ASSERT_TRUE(exact.plain == fast.plain) << round;
      ASSERT_EQ(exact.consumed, fast.consumed) << round;
    }
    alike += exact.ended == fast.ended;
  }
  EXPECT_GT(alike, kRounds * 9 / 10);
}

}  // namespace
}  // namespace acetate
