#include "layers/stream/first_pass.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <set>

#include "tests/layers/stream/packed_data.h"

namespace acetate {
namespace {

using test::Bytes;
using test::kEngines;
using test::pass;

constexpr FirstPassOptions kSmallSpans{.span_bytes = 65536};

test::Passed must_pass(const Bytes& packed, FirstPassOptions options = kSmallSpans, std::size_t piece = 10240) {
  auto passed = pass(packed, options, piece);
  EXPECT_TRUE(passed) << passed.error().message();
  return passed ? *std::move(passed) : test::Passed{};
}

TEST(FirstPass, TellsDigestsAndSizes) {
  const Bytes plain = test::sample_bytes(1'000'000, 1);
  for (const Bytes& packed :
       {test::gzip_of(plain), test::zstd_of(plain, 90'000), test::xz_of(plain), test::bzip2_of(plain)}) {
    for (const std::size_t piece : {1000u, 65536u, 3'000'000u}) {
      const auto [bytes, result] = must_pass(packed, kSmallSpans, piece);

      EXPECT_TRUE(bytes == plain);
      EXPECT_EQ(result.blob, Digest::of(packed));
      EXPECT_EQ(result.diff_id, Digest::of(plain));
      EXPECT_EQ(result.packed_size, packed.size());
      EXPECT_EQ(result.plain_size, plain.size());
      EXPECT_EQ(result.trailing_bytes, 0u);
    }
  }
}

TEST(FirstPass, DoesNotNeedCheckpointsForAPlainTar) {
  Bytes plain(10240);
  const auto [bytes, result] = must_pass(plain);
  EXPECT_TRUE(bytes == plain);
  EXPECT_EQ(result.format, Format::plain);
  EXPECT_EQ(result.blob, Digest::of(plain));
  EXPECT_EQ(result.diff_id, result.blob);
  EXPECT_TRUE(result.checkpoints.empty());
}

TEST(FirstPass, TellsDigestsOfTheKindThatIsAskedFor) {
  using enum Digest::Algorithm;
  const Bytes plain = test::sample_bytes(100'000, 1);
  for (const Bytes& packed : {test::gzip_of(plain), Bytes(10240)})
    for (const auto& [blob_by, diff_id_by] : {std::pair(sha256, sha512), {sha512, sha256}, {sha512, sha512}}) {
      const auto result = must_pass(packed, {.blob_by = blob_by, .diff_id_by = diff_id_by}).result;
      const Bytes& inside = result.format == Format::plain ? packed : plain;
      EXPECT_EQ(result.blob, Digest::of(packed, blob_by));
      EXPECT_EQ(result.diff_id, Digest::of(inside, diff_id_by));
      for (const auto& point : result.checkpoints) EXPECT_EQ(point.digest->algorithm(), sha256);
    }
}

TEST(FirstPass, LeavesSpansThatTileThePlainBytesAndVerify) {
  const Bytes plain = test::sample_bytes(2'000'000, 2);
  for (const Bytes& packed :
       {test::gzip_of(plain), test::gzip_of(plain, {.level = 0}), test::gzip_of(plain, {.strategy = Z_FIXED}),
        test::bgzip_of(plain), test::zstd_of(plain), test::zstd_of(plain, 20'000)}) {
    const auto result = must_pass(packed).result;
    ASSERT_GE(result.checkpoints.size(), 2'000'000u / (2 * 65536));
    for (std::size_t i = 0; i < result.checkpoints.size(); ++i) {
      const auto begin = result.checkpoints[i].plain_offset;
      const auto end =
          i + 1 < result.checkpoints.size() ? result.checkpoints[i + 1].plain_offset : result.plain_size;
      ASSERT_LT(begin, end);
      ASSERT_LE(end - begin, 2 * 65536u);
      EXPECT_EQ(result.checkpoints[i].digest, Digest::of(std::span(plain).subspan(begin, end - begin)));
    }
  }
}

TEST(FirstPass, SplitsLongSpansWhereNoDecoderCanStart) {
  const auto result = must_pass(test::zstd_of(test::sample_bytes(1'000'000, 3))).result;
  ASSERT_EQ(result.checkpoints.size(), 8u);
  EXPECT_TRUE(result.checkpoints[0].mark().has_start());
  for (std::size_t i = 1; i < 8; ++i) EXPECT_FALSE(result.checkpoints[i].mark().has_start()) << i;
}

TEST(FirstPass, ReadsTheRestThatNobodyRead) {
  const Bytes plain = test::sample_bytes(500'000, 4);
  auto first = *FirstPass::open(memory_source(test::gzip_of(plain)), kSmallSpans);
  Bytes some(100);
  ASSERT_TRUE(first.read(some));
  EXPECT_GT(first.plain_offset(), 0u);
  EXPECT_GT(first.packed_offset(), 0u);

  const auto result = first.finish();

  ASSERT_TRUE(result);
  EXPECT_EQ(result->diff_id, Digest::of(plain));
}

TEST(FirstPass, ReadsMembersOfAllSizesAndWithAllFields) {
  const Bytes plain = test::sample_bytes(300'000, 5);
  const std::array<std::size_t, 6> odd{1, 65535, 65536, 7, 1021, 32769};
  Bytes with_empty = test::gzip_of({});
  test::append(with_empty, test::gzip_of({}));
  test::append(with_empty, test::gzip_with_fields(plain));
  test::append(with_empty, test::gzip_of({}));
  for (const Bytes& packed : {test::members_of(plain, odd), test::bgzip_of(plain), with_empty}) {
    EXPECT_TRUE(must_pass(packed).plain == plain);
  }
}

TEST(FirstPass, TakesAnEmptyTarForWhatItIs) {
  for (const Bytes& packed : {test::gzip_of({}), test::zstd_of({})}) {
    const auto result = must_pass(packed).result;
    EXPECT_EQ(result.plain_size, 0u);
    ASSERT_EQ(result.checkpoints.size(), 1u);
    EXPECT_EQ(result.checkpoints[0].digest, Digest::of(std::string_view()));
  }
  EXPECT_EQ(must_pass({}).result.format, Format::plain);
}

TEST(FirstPass, ToleratesAndHashesWhatTrails) {
  const Bytes plain = test::sample_bytes(100'000, 6);
  for (const Bytes& end : {Bytes(700'000), test::bytes_of("garbage"), test::bytes_of("\x1fx")}) {
    for (Bytes packed : {test::gzip_of(plain), test::zstd_of(plain)}) {
      test::append(packed, end);
      const auto [bytes, result] = must_pass(packed);
      EXPECT_TRUE(bytes == plain);
      EXPECT_EQ(result.trailing_bytes, end.size());
      EXPECT_EQ(result.blob, Digest::of(packed));
      EXPECT_EQ(result.packed_size, packed.size());
    }
  }
}

TEST(FirstPass, SeesEveryBitPositionAtCheckpoints) {
  std::set<std::uint64_t> seen;
  const auto packed = test::gzip_of(test::sample_bytes(4'000'000, 7), {.memory = 4});
  for (const auto& checkpoint : must_pass(packed, {.span_bytes = 20'000}).result.checkpoints) {
    seen.insert(checkpoint.packed_bit % 8);
  }
  EXPECT_EQ(seen.size(), 8u);
}

TEST(FirstPass, SaysWhereThePackedBytesWereCutOff) {
  const Bytes plain = test::sample_bytes(200'000, 8);
  const std::array<std::size_t, 2> sizes{50'000, 3};
  for (const Bytes& packed :
       {test::gzip_of(plain), test::members_of(plain, sizes), test::zstd_of(plain), test::zstd_of(plain, 50'000)}) {
    for (std::size_t cut = 1000; cut < packed.size(); cut += 1000) {
      const auto cut_off = pass(Bytes(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(cut)),
                                {.span_bytes = 65536, .engine = kEngines[cut / 1000 % 2]});
      ASSERT_FALSE(cut_off) << "cut at " << cut;
      EXPECT_TRUE(cut_off.error().is(EBADMSG));
      EXPECT_NE(cut_off.error().message().find(fmt::format("after {} bytes of the packed", cut)), std::string::npos)
          << cut_off.error().message();
    }
  }
}

TEST(FirstPass, TakesACutInAMemberThatFollowsForDamageToo) {
  const Bytes member = test::gzip_of(test::sample_bytes(3000, 9));
  for (std::size_t cut = 1; cut < member.size(); ++cut) {
    Bytes packed = member;
    packed.insert(packed.end(), member.begin(), member.begin() + static_cast<std::ptrdiff_t>(cut));
    const auto passed = pass(packed);
    ASSERT_FALSE(passed) << cut;
    EXPECT_TRUE(passed.error().is(EBADMSG));
  }
}

TEST(FirstPass, DetectsEveryFlippedBitOfTheDataAndTheTrailer) {
  const Bytes plain = test::sample_bytes(20'000, 10);
  for (const Bytes& packed : {test::gzip_of(plain), test::zstd_of(plain, 5000)}) {
    const bool gzip = detect_format(packed) == Format::gzip;
    std::size_t harmless = 0;
    for (std::size_t bit = gzip ? 80 : 32; bit < packed.size() * 8; bit += 7) {
      Bytes flipped = packed;
      flipped[bit / 8] ^= std::byte{1} << (bit % 8);
      const auto passed = pass(flipped, {.engine = kEngines[bit % 2]});
      // A flip may leave the plain bytes as they were (unused bits); what it may not do is change them unseen,
      // except by turning all from here on into "trailing garbage", which is told.
      if (!passed) {
        EXPECT_TRUE(passed.error().is(EBADMSG)) << passed.error().message();
        EXPECT_NE(passed.error().message().find("of the packed stream"), std::string::npos);
      } else {
        EXPECT_TRUE(passed->plain == plain || passed->result.trailing_bytes > 0) << "bit " << bit;
        ++harmless;
      }
    }
    EXPECT_LT(harmless, 40u);
  }
}

TEST(FirstPass, StaysAtItsError) {
  Bytes packed = test::gzip_of(test::sample_bytes(100'000, 11));
  packed.resize(packed.size() / 2);
  auto first = *FirstPass::open(memory_source(packed));
  Bytes buffer(1 << 20);
  std::string message;
  for (;;) {
    const auto got = first.read(buffer);
    if (got) continue;
    message = got.error().message();
    break;
  }
  EXPECT_EQ(first.read(buffer).error().message(), message);
  EXPECT_EQ(first.finish().error().message(), message);
}

TEST(FirstPass, PassesErrorsOfTheSourceOn) {
  struct Failing final : ByteSource {
    Bytes packed = test::gzip_of(test::noise_bytes(2'000'000, 12));
    std::uint64_t size() const override { return packed.size(); }
    Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
      if (offset > 300'000) return Error(EIO);
      return memory_source(packed)->pread(into, offset);
    }
  };
  auto first = *FirstPass::open(std::make_shared<Failing>());
  const auto result = first.finish();
  ASSERT_FALSE(result);
  EXPECT_TRUE(result.error().is(EIO));
  EXPECT_NE(result.error().message().find("reading the packed bytes at offset"), std::string::npos);
}

TEST(FirstPass, RefusesWhatItCannotRead) {
  EXPECT_TRUE(pass(test::bytes_of({"\xfd" "7zXZ\0rest", 10})).error().is(EBADMSG));
  EXPECT_TRUE(pass(test::bytes_of("BZh91AY")).error().is(EBADMSG));
  EXPECT_TRUE(pass(test::bytes_of("<html>not found</html>")).error().is(EBADMSG));
  EXPECT_TRUE(pass({}, {.span_bytes = 0}).error().is(EINVAL));
  EXPECT_TRUE(pass({}, {.span_bytes = kMaxSpanBytes}).error().is(EINVAL));
}

TEST(FirstPass, RefusesBombs) {
  const Bytes zeroes(10'000'000);
  const Bytes packed = test::zstd_of(zeroes);
  ASSERT_LT(packed.size(), 2000u);

  EXPECT_TRUE(pass(packed));
  const auto ratio = pass(packed, {.ratio_free_bytes = 1'000'000});
  EXPECT_TRUE(ratio.error().is(EFBIG));
  EXPECT_NE(ratio.error().message().find("refused as a bomb"), std::string::npos) << ratio.error().message();
  EXPECT_TRUE(pass(packed, {.most_plain_bytes = 9'999'999}).error().is(EFBIG));
  // What does not grow much may be long.
  EXPECT_TRUE(pass(test::gzip_of(test::noise_bytes(2'000'000, 1)), {.ratio_free_bytes = 1'000'000}));
}

TEST(FirstPass, DetectsDamageInEveryFormat) {
  const Bytes plain = test::sample_bytes(100'000, 9);
  for (const Bytes& good : {test::xz_of(plain), test::bzip2_of(plain), test::zstd_of(plain)}) {
    for (std::size_t at = 0; at < good.size(); at += 97) {
      Bytes bad = good;
      bad[at] ^= std::byte{4};
      const auto passed = pass(bad);
      // Some bits of a header have no meaning (a reserved size); then the bytes are those that were packed.
      if (passed) {
        EXPECT_TRUE(passed->plain == plain) << at;
      } else {
        EXPECT_TRUE(passed.error().is(EBADMSG) || passed.error().is(EFBIG)) << passed.error().message();
      }
    }
    EXPECT_TRUE(pass(Bytes(good.begin(), good.end() - 20)).error().is(EBADMSG));
  }
}

}  // namespace
}  // namespace acetate
