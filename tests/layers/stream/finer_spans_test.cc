// Spans for those who are far away: finer where it pays, with windows of which only what is used was kept.
#include "layers/stream/finer_spans.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "layers/stream/seekable.h"
#include "layers/stream/slim_window.h"
#include "layers/stream/window.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/layers/stream/wrong_inflater.h"

namespace acetate {
namespace {

using test::Bytes;

constexpr std::uint64_t kSpan = std::uint64_t{1} << 20;

struct Stream {
  explicit Stream(Bytes of, std::uint64_t span_bytes = kSpan) : packed(std::move(of)), pass(*test::pass(packed, {.span_bytes = span_bytes})) {}

  PackedStream stream() const {
    return {.packed = memory_source(packed), .format = pass.result.format, .plain_size = pass.result.plain_size,
            .checkpoints = checkpoint_table(pass.result.checkpoints)};
  }
  std::vector<Checkpoint> finer(std::vector<PlainRange> wanted = {}, std::uint64_t every = kMaxSpanBytes) const { return *finer_spans(stream(), wanted, every); }
  // All of it is what was packed, each span from its own start.
  void expect_same_bytes(const std::vector<Checkpoint>& spans) const {
    for (const InflateEngine engine : test::kEngines) {
      const auto source = *seekable_source({.packed = memory_source(packed), .format = pass.result.format, .plain_size = pass.result.plain_size,
                                            .checkpoints = checkpoint_table(spans), .engine = engine});
      for (std::size_t i = spans.size(); i-- > 0;) {
        const std::uint64_t end = i + 1 < spans.size() ? spans[i + 1].plain_offset : pass.result.plain_size;
        Bytes into(static_cast<std::size_t>(end - spans[i].plain_offset));
        const auto got = source->pread(into, spans[i].plain_offset);
        ASSERT_TRUE(got) << got.error().message();
        ASSERT_EQ(*got, into.size());
        ASSERT_TRUE(std::memcmp(into.data(), pass.plain.data() + spans[i].plain_offset, into.size()) == 0) << i;
      }
    }
  }

  Bytes packed;
  test::Passed pass;
};

std::size_t zeroes_in(std::span<const std::byte> bytes) { return static_cast<std::size_t>(std::ranges::count(bytes, std::byte{0})); }

TEST(SlimWindow, KeepsWhatIsReferredToAndNothingElse) {
  const Bytes plain = test::sample_bytes(6 * kSpan, 1);
  const Stream stream(test::gzip_of(plain));
  std::size_t dropped = 0, kept = 0;
  for (const Checkpoint& point : stream.pass.result.checkpoints) {
    if (point.window.empty()) continue;
    const Bytes window = *unpack_window(point.window);
    const Bytes slim = *slim_window(memory_source(stream.packed), point.packed_bit, window);
    ASSERT_EQ(slim.size(), window.size());
    for (std::size_t i = 0; i < slim.size(); ++i) ASSERT_TRUE(slim[i] == window[i] || slim[i] == std::byte{0});
    dropped += zeroes_in(slim);
    kept += slim.size() - zeroes_in(slim);
  }
  EXPECT_GT(dropped, 0U);
  EXPECT_GT(kept, 0U);
}

TEST(SlimWindow, IsWholeWhereEveryByteIsCopiedFromAsFarAsCanBe) {
  const Bytes period = test::noise_bytes(32'000, 2);
  Bytes plain;
  while (plain.size() < 3 * kSpan) test::append(plain, period);
  const Stream stream(test::gzip_of(plain, {.memory = 1}));
  ASSERT_GT(stream.pass.result.checkpoints.size(), 1U);
  for (const Checkpoint& point : stream.pass.result.checkpoints) {
    if (point.window.empty()) continue;
    const Bytes window = *unpack_window(point.window);
    const Bytes slim = *slim_window(memory_source(stream.packed), point.packed_bit, window);
    EXPECT_GE(window.size() - zeroes_in(slim), window.size() * 9 / 10);
  }
  stream.expect_same_bytes(stream.finer());
}

TEST(SlimWindow, IsEmptyWhereNothingIsCopied) {
  const Stream stream(test::gzip_of(test::noise_bytes(4 * kSpan, 3)));
  ASSERT_GT(stream.pass.result.checkpoints.size(), 1U);
  for (const Checkpoint& point : stream.finer()) EXPECT_LT(point.window.size(), 2000U);
  stream.expect_same_bytes(stream.finer());
}

TEST(FinerSpans, AreTheSameSpansWhereNothingIsWanted) {
  const Stream stream(test::gzip_of(test::sample_bytes(7 * kSpan, 4)));
  const auto finer = stream.finer();
  const auto& before = stream.pass.result.checkpoints;
  ASSERT_EQ(finer.size(), before.size());
  for (std::size_t i = 0; i < finer.size(); ++i) {
    EXPECT_EQ(finer[i].plain_offset, before[i].plain_offset);
    EXPECT_EQ(finer[i].packed_bit, before[i].packed_bit);
    EXPECT_EQ(finer[i].digest, before[i].digest);
    EXPECT_LE(finer[i].window.size(), before[i].window.size());
  }
  stream.expect_same_bytes(finer);
}

TEST(FinerSpans, EndBeforeAndBehindWhatIsWanted) {
  const Stream stream(test::gzip_of(test::sample_bytes(12 * kSpan, 5), {.memory = 4}));
  const PlainRange wanted[] = {{5 * kSpan / 2, 5 * kSpan / 2 + 5000}, {5 * kSpan / 2 + 9000, 5 * kSpan / 2 + 20'000}, {8 * kSpan, 8 * kSpan + 1}};
  const auto finer = stream.finer({std::begin(wanted), std::end(wanted)});
  EXPECT_GT(finer.size(), stream.pass.result.checkpoints.size());
  EXPECT_LE(finer.size(), stream.pass.result.checkpoints.size() + 4) << "what lies side by side is one piece";
  const auto table = checkpoint_table(finer);
  for (const PlainRange& range : wanted) {
    const std::size_t span = *find_span(*table, range.begin);
    ASSERT_EQ(span, *find_span(*table, range.end - 1));
    ASSERT_LT(span + 1, finer.size());
    EXPECT_LT(finer[span + 1].plain_offset - finer[span].plain_offset, kSpan / 2);
  }
  for (const Checkpoint& each : finer) EXPECT_TRUE(each.digest);
  stream.expect_same_bytes(finer);
}

TEST(FinerSpans, HaveSoManyBytesWhetherSomethingIsWantedOrNot) {
  const Stream stream(test::gzip_of(test::sample_bytes(9 * kSpan, 9), {.memory = 4}));
  for (const auto& wanted : {std::vector<PlainRange>(), {{5 * kSpan / 2, 5 * kSpan / 2 + 5000}}}) {
    const auto finer = stream.finer(wanted, kSpan / 4);
    ASSERT_GE(finer.size(), 9 * 3U);
    for (std::size_t i = 1; i < finer.size(); ++i) EXPECT_LE(finer[i].plain_offset - finer[i - 1].plain_offset, kSpan / 2) << i;
    stream.expect_same_bytes(finer);
  }
}

TEST(FinerSpans, GoOnWhereSpansHaveNoStartOfTheirOwn) {
  const Stream stream(test::zstd_of(test::sample_bytes(5 * kSpan, 6)));
  const auto finer = stream.finer({{kSpan, 2 * kSpan}, {3 * kSpan, 3 * kSpan + 9}});
  ASSERT_EQ(finer.size(), stream.pass.result.checkpoints.size());
  for (std::size_t i = 0; i < finer.size(); ++i) EXPECT_EQ(finer[i].packed_bit, stream.pass.result.checkpoints[i].packed_bit);
}

TEST(FinerSpans, BeginAtMembersAndFramesToo) {
  const std::size_t sizes[] = {100'000, 7, 250'000};
  for (const Bytes& packed : {test::members_of(test::sample_bytes(4 * kSpan, 7), sizes), test::zstd_of(test::sample_bytes(4 * kSpan, 7), 90'000)}) {
    const Stream stream(packed, 2 * kSpan);
    const auto finer = stream.finer({{kSpan, kSpan + 10}, {3 * kSpan, 3 * kSpan + 10}});
    EXPECT_GT(finer.size(), stream.pass.result.checkpoints.size());
    stream.expect_same_bytes(finer);
  }
}

TEST(FinerSpans, AreNoneWhereADigestIsMissing) {
  Stream stream(test::gzip_of(test::sample_bytes(4 * kSpan, 8)));
  stream.pass.result.checkpoints[1].digest = std::nullopt;
  const auto finer = finer_spans(stream.stream(), {});
  ASSERT_FALSE(finer);
  EXPECT_TRUE(finer.error().is(EBADMSG)) << finer.error().message();
}

// What is published was decoded as readers will: one byte too few in one window, and it is not.
TEST(FinerSpans, AreVerifiedWindowByWindow) {
  const Stream stream(test::gzip_of(test::sample_bytes(6 * kSpan, 1)));
  const auto finer = stream.finer();
  ASSERT_TRUE(verify_spans(stream.stream(), finer));
  std::size_t tried = 0;
  for (std::size_t i = 0; i < finer.size(); ++i) {
    if (finer[i].window.empty()) continue;
    Bytes window = *unpack_window(finer[i].window);
    const auto used = std::ranges::find_if(window, [](std::byte byte) { return byte != std::byte{0}; });
    if (used == window.end()) continue;
    *used = std::byte{0};
    auto wrong = finer;
    wrong[i].window = pack_window(window);
    const auto verified = verify_spans(stream.stream(), wrong);
    ASSERT_FALSE(verified) << i;
    EXPECT_TRUE(verified.error().is(EBADMSG)) << verified.error().message();
    ++tried;
  }
  EXPECT_GT(tried, 0U);
}

TEST(FinerSpans, AreVerifiedWhereSpansHaveNoStartOfTheirOwn) {
  const Stream stream(test::zstd_of(test::sample_bytes(5 * kSpan, 6)));
  auto spans = stream.pass.result.checkpoints;
  ASSERT_TRUE(verify_spans(stream.stream(), spans));
  ASSERT_FALSE(spans.back().mark().has_start());
  spans.back().digest = Digest::of("other bytes");
  EXPECT_FALSE(verify_spans(stream.stream(), spans));
}

TEST(FinerSpans, AreMadeByZlibWhereTheFastDecoderIsWrong) {
  const Stream stream(test::gzip_of(test::sample_bytes(4 * kSpan, 8)));
  const auto right = stream.finer({{kSpan, kSpan + 10}});
  const test::WrongInflater wrong;

  const auto finer = finer_spans(stream.stream(), std::vector<PlainRange>{{kSpan, kSpan + 10}}, kMaxSpanBytes);

  ASSERT_TRUE(finer) << finer.error().message();
  ASSERT_EQ(finer->size(), right.size());
  for (std::size_t i = 0; i < right.size(); ++i) {
    EXPECT_EQ((*finer)[i].packed_bit, right[i].packed_bit);
    EXPECT_EQ((*finer)[i].digest, right[i].digest);
  }
}

TEST(FinerSpans, AreNoneOfAStreamThatIsNotWhatWasIndexed) {
  Stream stream(test::gzip_of(test::sample_bytes(4 * kSpan, 8)));
  stream.pass.result.checkpoints[1].digest = Digest::of("other bytes");
  const PlainRange wanted[] = {{0, 4 * kSpan}};
  const auto finer = finer_spans(stream.stream(), wanted);
  ASSERT_FALSE(finer);
  EXPECT_TRUE(finer.error().is(EBADMSG)) << finer.error().message();
}

}  // namespace
}  // namespace acetate
