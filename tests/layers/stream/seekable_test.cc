#include "layers/stream/seekable.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <random>
#include <thread>

#include "base/log.h"
#include "base/sys/file.h"
#include "layers/stream/chunk_source.h"
#include "layers/stream/inflater.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/layers/stream/wrong_inflater.h"
#include "tests/support/temp_dir.h"

namespace acetate {
namespace {

using test::Bytes;

constexpr std::uint64_t kSpan = 65536;

// A packed stream opened for random reads, with a cache of its own.
struct Opened {
  explicit Opened(const Bytes& packed, std::uint64_t cache_bytes = 8 * kSpan, std::uint64_t span_bytes = kSpan,
                  InflateEngine engine = InflateEngine::fastest)
      : Opened(memory_source(packed), test::pass(packed, {.span_bytes = span_bytes, .engine = engine})->result,
               cache_bytes, engine) {}
  Opened(SourcePtr packed, FirstPassResult result, std::uint64_t cache_bytes,
         InflateEngine engine = InflateEngine::fastest)
      : checkpoints(std::move(result.checkpoints)), cache(std::make_unique<SpanCache>(cache_bytes)) {
    source = *seekable_source({.packed = std::move(packed),
                               .format = result.format,
                               .plain_size = result.plain_size,
                               .checkpoints = checkpoint_table(checkpoints),
                               .cache = cache.get(),
                               .engine = engine});
  }

  std::vector<Checkpoint> checkpoints;
  std::unique_ptr<SpanCache> cache;
  DecodedSourcePtr source;
};

// Reads at random places, some across many spans, and compares; the first that differs ends it.
void expect_random_reads(const ByteSource& source, const Bytes& plain, int reads, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes into(300'000);
  for (int i = 0; i < reads; ++i) {
    const std::uint64_t offset = random() % (plain.size() + 10);
    const std::size_t limit = random() % 64 == 0 ? into.size() : 5000;
    const auto want = static_cast<std::size_t>(random() % limit);
    const std::size_t have = offset < plain.size() ? std::min<std::size_t>(want, plain.size() - offset) : 0;
    const auto got = source.pread(std::span(into).first(want), offset);
    ASSERT_TRUE(got) << got.error().message();
    ASSERT_EQ(*got, have) << "at " << offset;
    ASSERT_TRUE(have == 0 || std::memcmp(into.data(), plain.data() + offset, have) == 0)
        << have << " bytes at " << offset << ", seed " << seed;
  }
}

struct Case {
  std::string_view name;
  Bytes (*pack)(const Bytes& plain);
  Bytes (*make)(std::size_t, std::uint64_t) = test::sample_bytes;
};

class RandomReads : public ::testing::TestWithParam<Case> {};

TEST_P(RandomReads, EqualThePlainBytes) {
  const Bytes plain = GetParam().make(1'000'000, 42);
  const Bytes packed = GetParam().pack(plain);

  for (const InflateEngine engine : test::kEngines) {
    expect_random_reads(*Opened(packed, 64 * kSpan, kSpan, engine).source, plain, 10'000, 1);
    expect_random_reads(*Opened(packed, 0, kSpan, engine).source, plain, 200, 2);  // every read decodes
    expect_random_reads(*Opened(packed, 64 * kSpan, 4096, engine).source, plain, 2000, 3);
  }
}

// An index made by one engine is read by the other.
TEST_P(RandomReads, DoNotDependOnWhoMadeTheCheckpoints) {
  const Bytes plain = GetParam().make(400'000, 43);
  const Bytes packed = GetParam().pack(plain);
  for (const bool zlib_first : {false, true}) {
    const auto result = test::pass(packed, {.span_bytes = 10'000, .engine = test::kEngines[zlib_first]})->result;
    Opened opened(memory_source(packed), result, 64 * kSpan, test::kEngines[!zlib_first]);
    expect_random_reads(*opened.source, plain, 500, 4);
  }
}

template <int level>
Bytes at_level(const Bytes& plain) { return test::gzip_of(plain, {.level = level}); }

INSTANTIATE_TEST_SUITE_P(
    Packed, RandomReads,
    ::testing::Values(
        Case{"Stored", at_level<0>}, Case{"Level1", at_level<1>}, Case{"Level6", at_level<6>},
        Case{"Level9", at_level<9>}, Case{"Noise", at_level<6>, test::noise_bytes},
        Case{"FromExactly32768Back", at_level<9>, test::far_bytes},
        Case{"SmallBlocksFromExactly32768Back",
             [](const Bytes& plain) { return test::gzip_of(plain, {.level = 9, .memory = 1}); }, test::far_bytes},
        Case{"FixedCodes", [](const Bytes& plain) { return test::gzip_of(plain, {.strategy = Z_FIXED}); }},
        Case{"HuffmanOnly", [](const Bytes& plain) { return test::gzip_of(plain, {.strategy = Z_HUFFMAN_ONLY}); }},
        Case{"RunLengths", [](const Bytes& plain) { return test::gzip_of(plain, {.strategy = Z_RLE}); }},
        Case{"SmallBlocks", [](const Bytes& plain) { return test::gzip_of(plain, {.memory = 1}); }},
        Case{"SyncMarkersLikePigz",
             [](const Bytes& plain) {
               return test::gzip_of(plain, {.flush_every = 131072, .flush = Z_SYNC_FLUSH});
             }},
        Case{"FullFlushes",
             [](const Bytes& plain) {
               return test::gzip_of(plain, {.flush_every = 10'000, .flush = Z_FULL_FLUSH});
             }},
        Case{"Bgzip", [](const Bytes& plain) { return test::bgzip_of(plain); }},
        Case{"MembersOfOddSizes",
             [](const Bytes& plain) {
               const std::array<std::size_t, 7> odd{99'999, 1, 131'071, 2, 513, 65'536, 300'001};
               return test::members_of(plain, odd);
             }},
        Case{"TinyMembers",
             [](const Bytes& plain) {
               const std::array<std::size_t, 3> tiny{100, 1, 333};
               return test::members_of(plain, tiny, {.level = 1});
             }},
        Case{"EmptyMembersBetween",
             [](const Bytes& plain) {
               Bytes packed = test::gzip_of({});
               test::append(packed, test::gzip_with_fields(std::span(plain).first(250'000)));
               test::append(packed, test::gzip_of({}));
               test::append(packed, test::gzip_with_fields(std::span(plain).subspan(250'000)));
               test::append(packed, Bytes(1000));
               return packed;
             }},
        Case{"XzOneStream", [](const Bytes& plain) { return test::xz_of(plain); }},
        Case{"Bzip2OneStream", [](const Bytes& plain) { return test::bzip2_of(plain); }},
        Case{"XzStreamsWithPadding",
             [](const Bytes& plain) {
               Bytes packed = test::xz_of(std::span(plain).first(150'000));
               test::append(packed, Bytes(8));
               test::append(packed, test::xz_of({}));
               test::append(packed, test::xz_of(std::span(plain).subspan(150'000)));
               return packed;
             }},
        Case{"Bzip2StreamsAndGarbage",
             [](const Bytes& plain) {
               Bytes packed = test::bzip2_of(std::span(plain).first(150'000));
               test::append(packed, test::bzip2_of(std::span(plain).subspan(150'000)));
               test::append(packed, test::bytes_of("garbage"));
               return packed;
             }},
        Case{"ZstdOneFrame", [](const Bytes& plain) { return test::zstd_of(plain); }},
        Case{"ZstdFrames", [](const Bytes& plain) { return test::zstd_of(plain, 50'000); }},
        Case{"ZstdTinyFramesAndSkippable",
             [](const Bytes& plain) {
               Bytes packed = test::zstd_skippable(100);
               test::append(packed, test::zstd_of(std::span(plain).first(250'000), 777));
               test::append(packed, test::zstd_skippable(100'000));
               test::append(packed, test::zstd_of(std::span(plain).subspan(250'000)));
               test::append(packed, test::zstd_skippable(3));
               return packed;
             }}),
    [](const auto& one) { return std::string(one.param.name); });

// Chunks as a table of contents has them, each a member or frame of its own.
DecodedSourcePtr chunked(const Bytes& plain, Format format, SpanCache& cache) {
  constexpr std::size_t kChunk = 30'011;
  Bytes packed;
  std::vector<Chunk> chunks;
  for (std::size_t at = 0; at < plain.size(); at += kChunk) {
    const auto part = std::span(plain).subspan(at, std::min(kChunk, plain.size() - at));
    chunks.push_back({.plain_offset = at, .length = part.size(), .packed_offset = packed.size(), .digest = Digest::of(part)});
    test::append(packed, format == Format::gzip ? test::gzip_of(part) : test::zstd_of(part));
  }
  const std::uint64_t end = packed.size();
  return *chunk_source(memory_source(std::move(packed)), format, std::move(chunks), end, cache);
}

TEST(Seekable, AHundredThousandReadsInEveryFormatEqualThePlainBytes) {
  constexpr int kReads = 100'000;
  const Bytes plain = test::sample_bytes(1'000'000, 44);
  const std::array<std::size_t, 3> members{99'999, 131'071, 513};
  const std::pair<const char*, Bytes> packed[] = {
      {"gzip", test::gzip_of(plain)},       {"gzip, members", test::members_of(plain, members)},
      {"bgzip", test::bgzip_of(plain)},     {"zstd", test::zstd_of(plain)},
      {"zstd, frames", test::zstd_of(plain, 50'000)}, {"xz", test::xz_of(plain)},
      {"bzip2", test::bzip2_of(plain)},
  };
  for (const auto& [name, bytes] : packed) {
    SCOPED_TRACE(name);
    // Room for half of it: so that spans come and go.
    expect_random_reads(*Opened(bytes, 8 * kSpan).source, plain, kReads / 100, 5);
    expect_random_reads(*Opened(bytes, 64 * kSpan).source, plain, kReads, 6);
  }
  SpanCache cache(64 * kSpan);
  for (const Format format : {Format::gzip, Format::zstd}) expect_random_reads(*chunked(plain, format, cache), plain, kReads, 7);
  expect_random_reads(*memory_source(plain), plain, kReads, 8);
}

TEST(Seekable, ResumesAtEachOfTheEightPositionsInAByte) {
  const Bytes plain = test::sample_bytes(4'000'000, 7);
  const Bytes packed = test::gzip_of(plain, {.memory = 4});
  for (const InflateEngine engine : test::kEngines) {
    const Opened opened(packed, 0, 20'000, engine);
    std::array<int, 8> seen{};
    for (const Checkpoint& checkpoint : opened.checkpoints) {
      Bytes into(std::min<std::size_t>(300, plain.size() - checkpoint.plain_offset));
      ASSERT_EQ(*opened.source->pread(into, checkpoint.plain_offset), into.size());
      ASSERT_EQ(std::memcmp(into.data(), plain.data() + checkpoint.plain_offset, into.size()), 0) << checkpoint.packed_bit;
      ++seen[checkpoint.packed_bit % 8];
    }
    EXPECT_EQ(std::ranges::count(seen, 0), 0);
  }
}

TEST(Seekable, ContinuesTheDecoderOfASequentialReader) {
  const Bytes plain = test::sample_bytes(2'000'000, 5);
  const Bytes packed = test::gzip_of(plain);
  Opened opened(packed, 4 * kSpan);
  Bytes into(10'000);
  Bytes all;
  for (std::uint64_t at = 0; at < plain.size(); at += into.size()) {
    ASSERT_TRUE(opened.source->pread(into, at));
    test::append(all, into);
  }

  EXPECT_TRUE(all == plain);
  const DecodeCount count = opened.source->counted();
  EXPECT_EQ(count.starts, 1u);
  EXPECT_EQ(count.spans, opened.checkpoints.size());
  EXPECT_EQ(count.plain_bytes, plain.size());
  EXPECT_LE(count.packed_bytes, packed.size());
}

TEST(Seekable, ContinuesAsManyDecodersAsItKeeps) {
  const Bytes plain = test::sample_bytes(4'000'000, 6);
  Opened opened(test::gzip_of(plain), 0);
  std::array<std::byte, 100> into;
  for (std::uint64_t step = 0; step < 6; ++step) {
    for (std::size_t reader = 0; reader < kLiveDecoders; ++reader) {
      const auto& at = opened.checkpoints[reader * 10 + step];
      ASSERT_TRUE(opened.source->pread(into, at.plain_offset));
    }
  }
  EXPECT_EQ(opened.source->counted().starts, kLiveDecoders);
  EXPECT_EQ(opened.source->counted().spans, 6 * kLiveDecoders);
}

TEST(Seekable, ReadsOnlyTheSpansItNeeds) {
  Opened opened(test::gzip_of(test::sample_bytes(2'000'000, 7)));
  std::array<std::byte, 100> into;
  ASSERT_TRUE(opened.source->pread(into, 1'500'000));
  ASSERT_TRUE(opened.source->pread(into, 1'500'050));

  EXPECT_EQ(opened.source->counted().spans, 1u);
  EXPECT_LE(opened.source->counted().plain_bytes, 2 * kSpan);
}

TEST(Seekable, PassesAPlainTarStraightThrough) {
  test::TempDir dir;
  dir.write("tar", std::string(10'240, '\0'));
  const auto file = *file_source(*sys::open(dir / "tar", O_RDONLY));
  const auto source = *seekable_source({.packed = file, .format = Format::plain, .plain_size = 10'240, .checkpoints = {}});

  Bytes into(100);
  EXPECT_EQ(*source->pread(into, 10'200), 40u);
  EXPECT_EQ(source->plain()->fd.fd, file->plain()->fd.fd);
  EXPECT_EQ(source->counted().plain_bytes, 40u);
  EXPECT_TRUE(seekable_source({.packed = file, .format = Format::plain, .plain_size = 1, .checkpoints = {}})
                  .error()
                  .is(EBADMSG));
}

// Collects what is logged while it lives.
class Logged {
 public:
  Logged() {
    log::set_sink([this](log::Level, std::string_view message) { lines.emplace_back(message); });
  }
  ~Logged() { log::set_sink({}); }
  std::vector<std::string> lines;
};

TEST(Seekable, NeverHandsOutBytesThatDoNotVerify) {
  const Bytes plain = test::sample_bytes(500'000, 8);
  for (const Bytes& packed : {test::gzip_of(plain), test::gzip_of(plain, {.level = 0}), test::zstd_of(plain, 100'000)}) {
    const auto result = test::pass(packed, {.span_bytes = kSpan})->result;
    std::mt19937_64 random(9);
    int detected = 0;
    for (int round = 0; round < 40; ++round) {
      Bytes flipped = packed;
      flipped[random() % flipped.size()] ^= static_cast<std::byte>(1 + random() % 255);
      Logged logged;
      Opened opened(memory_source(flipped), result, 0, test::kEngines[round % 2]);
      Bytes into(10'000);
      bool failed = false;
      for (std::uint64_t at = 0; at < plain.size(); at += into.size()) {
        const auto got = opened.source->pread(into, at);
        if (got) {
          ASSERT_TRUE(std::memcmp(into.data(), plain.data() + at, *got) == 0);
        } else {
          ASSERT_TRUE(got.error().is(EIO)) << got.error().message();
          failed = true;
        }
      }
      EXPECT_EQ(logged.lines.size(), failed ? 1u : 0u);
      detected += failed;
    }
    EXPECT_GT(detected, 30);
  }
}

TEST(Seekable, ChecksMembersWhereThereIsNoDigest) {
  const Bytes plain = test::noise_bytes(1000, 10);
  Bytes packed = test::gzip_of(plain, {.level = 0});
  auto result = test::pass(packed)->result;
  result.checkpoints[0].digest.reset();
  packed[500] ^= std::byte{1};
  // The span ends with the member's bytes, so its trailer is only seen by a reader that goes on.
  result.plain_size = 1001;
  Logged logged;
  Opened opened(memory_source(packed), result, 0);
  Bytes into(1001);
  EXPECT_TRUE(opened.source->pread(into, 0).error().is(EIO));
}

TEST(Seekable, FailsAsTheSourceDoesAndRecovers) {
  struct Flaky final : ByteSource {
    explicit Flaky(Bytes bytes) : packed(memory_source(std::move(bytes))) {}
    std::uint64_t size() const override { return packed->size(); }
    Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
      if (failing) return Error(ETIMEDOUT);
      return packed->pread(into, offset);
    }
    SourcePtr packed;
    std::atomic<bool> failing = true;
  };
  const Bytes plain = test::sample_bytes(300'000, 11);
  const Bytes packed = test::gzip_of(plain);
  auto flaky = std::make_shared<Flaky>(packed);
  Opened opened(flaky, test::pass(packed, {.span_bytes = kSpan})->result, 8 * kSpan);
  Bytes into(1000);

  EXPECT_TRUE(opened.source->pread(into, 200'000).error().is(ETIMEDOUT));
  flaky->failing = false;
  expect_random_reads(*opened.source, plain, 100, 1);
}

TEST(Seekable, SurvivesTablesThatLie) {
  const Bytes plain = test::sample_bytes(600'000, 12);
  const Bytes packed = test::gzip_of(plain);
  const auto honest = test::pass(packed, {.span_bytes = kSpan})->result;
  std::mt19937_64 random(13);
  Logged logged;
  for (int round = 0; round < 150; ++round) {
    auto result = honest;
    auto& victim = result.checkpoints[1 + random() % (result.checkpoints.size() - 1)];
    switch (random() % 5) {
      case 0: victim.plain_offset = random() >> (random() % 64); break;
      case 1: victim.packed_bit = random() >> (random() % 64); break;
      case 2: victim.window.resize(random() % (victim.window.size() + 1)); break;
      case 3:
        if (!victim.window.empty()) victim.window[random() % victim.window.size()] ^= std::byte{4};
        break;
      default: result.plain_size = random() >> (random() % 64); break;
    }
    if (round % 2 == 0) std::swap(result.checkpoints[1], result.checkpoints[random() % result.checkpoints.size()]);
    auto source = seekable_source({.packed = memory_source(packed),
                                   .format = Format::gzip,
                                   .plain_size = result.plain_size,
                                   .checkpoints = checkpoint_table(result.checkpoints),
                                   .engine = test::kEngines[round % 2]});
    if (!source) continue;
    Bytes into(5000);
    for (std::uint64_t at = 0; at < plain.size(); at += 40'000) {
      const auto got = (*source)->pread(into, at);
      if (got) {
        ASSERT_LE(at + *got, plain.size());
        EXPECT_TRUE(std::memcmp(into.data(), plain.data() + at, *got) == 0);
      }
    }
  }
}

TEST(Seekable, RefusesWhatItCannotRead) {
  const auto bytes = memory_source(test::gzip_of({}));
  EXPECT_TRUE(seekable_source({.packed = bytes, .format = Format::unknown, .checkpoints = {}}).error().is(ENOTSUP));
  EXPECT_TRUE(seekable_source({.packed = bytes, .format = Format::gzip, .checkpoints = {}}).error().is(EINVAL));
  EXPECT_TRUE(seekable_source({.packed = bytes, .format = Format::gzip, .checkpoints = checkpoint_table({})})
                  .error()
                  .is(EINVAL));
  std::vector<Checkpoint> late(1);
  late[0].plain_offset = 1;
  EXPECT_TRUE(seekable_source({.packed = bytes, .format = Format::gzip, .checkpoints = checkpoint_table(late)})
                  .error()
                  .is(EINVAL));
}

TEST(Seekable, ServesManyThreadsAtOnce) {
  const Bytes plain = test::sample_bytes(1'500'000, 14);
  for (const Bytes& packed : {test::gzip_of(plain), test::zstd_of(plain)}) {
    Opened opened(packed, 6 * kSpan);
    std::vector<std::thread> threads;
    for (std::uint64_t i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] { expect_random_reads(*opened.source, plain, 200, i); });
    }
    for (auto& thread : threads) thread.join();
  }
}

TEST(Seekable, DecodesOneFrameOnceForReadersThatShareTheWay) {
  const Bytes plain = test::sample_bytes(1'500'000, 15);
  Opened opened(test::zstd_of(plain), 64 * kSpan);
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      Bytes into(20'000);
      for (std::uint64_t at = 0; at < plain.size(); at += into.size()) ASSERT_TRUE(opened.source->pread(into, at));
    });
  }
  for (auto& thread : threads) thread.join();

  EXPECT_EQ(opened.source->counted().spans, opened.checkpoints.size());
  EXPECT_EQ(opened.source->counted().plain_bytes, plain.size());
  EXPECT_EQ(opened.source->counted().starts, 1u);
}

// A packed stream that is far away.
class FarSource final : public ByteSource {
 public:
  explicit FarSource(Bytes bytes) : bytes_(memory_source(std::move(bytes))) {}
  std::uint64_t size() const override { return bytes_->size(); }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    if (offset < from || offset + into.size() > to) ++not_brought;
    return bytes_->pread(into, offset);
  }
  Result<void> bring(std::uint64_t offset, std::uint64_t length) const override {
    from = offset, to = offset + length;
    return {};
  }

  mutable std::uint64_t from = 0, to = 0;
  mutable int not_brought = 0;

 private:
  SourcePtr bytes_;
};

TEST(Seekable, ReadsOfASpanWhatWasBroughtForItAndNothingBehind) {
  const Bytes plain = test::sample_bytes(40 * kSpan, 34);
  const Bytes packed = test::gzip_of(plain, {.memory = 1});
  const auto result = test::pass(packed, {.span_bytes = kSpan})->result;
  ASSERT_GT(result.checkpoints.size(), 20U);
  const auto far = std::make_shared<FarSource>(packed);
  const auto source = *seekable_source({.packed = far, .format = Format::gzip, .plain_size = plain.size(), .checkpoints = checkpoint_table(result.checkpoints)});

  for (std::size_t i = 20; i > 2; i -= 3) {
    std::byte one[1];
    ASSERT_TRUE(source->pread(one, result.checkpoints[i].plain_offset));
    EXPECT_EQ(far->from, result.checkpoints[i].packed_bit / 8);
    EXPECT_EQ(far->to, (result.checkpoints[i + 1].packed_bit + 7) / 8);
  }

  EXPECT_EQ(far->not_brought, 0);
}

TEST(Seekable, AsksZlibWhereTheFastDecoderIsWrong) {
  const Bytes plain = test::sample_bytes(1'000'000, 30);
  const Bytes packed = test::gzip_of(plain);
  const auto result = test::pass(packed, {.span_bytes = kSpan})->result;
  std::string said;
  log::set_sink([&](log::Level, std::string_view line) { said += line; });
  const test::WrongInflater wrong;

  Opened opened(memory_source(packed), result, 64 * kSpan);
  expect_random_reads(*opened.source, plain, 200, 31);
  // The first pass sees it by the member's checksum.
  EXPECT_TRUE(test::pass(packed).error().is(EBADMSG));

  log::set_sink({});
  EXPECT_NE(said.find("zlib reads it from now on"), std::string::npos) << said;
  EXPECT_EQ(said.find("zlib reads it"), said.rfind("zlib reads it")) << "said once";
}

TEST(Seekable, DecodesAheadOfASequentialReader) {
  const Bytes plain = test::sample_bytes(40 * kSpan, 32);
  const Bytes packed = test::gzip_of(plain);
  const auto result = test::pass(packed, {.span_bytes = kSpan})->result;
  SpanCache cache(100 * kSpan);
  const auto source = *seekable_source({.packed = memory_source(packed), .format = Format::gzip,
                                        .plain_size = plain.size(), .checkpoints = checkpoint_table(result.checkpoints),
                                        .cache = &cache, .read_ahead = true});
  // Two spans read one after the other: the third comes by itself.
  const std::uint64_t second = result.checkpoints[1].plain_offset;
  Bytes into(1);
  ASSERT_TRUE(source->pread(into, 0));
  ASSERT_TRUE(source->pread(into, second));
  while (source->counted().spans < 3) std::this_thread::yield();
  EXPECT_EQ(source->counted().starts, 1u);

  // And the bytes are right whoever decoded them; random readers wait for nobody.
  for (std::uint64_t at = 0; at < plain.size(); at += 10'000) {
    Bytes part(10'000);
    const auto got = source->pread(part, at);
    ASSERT_TRUE(got);
    ASSERT_TRUE(std::memcmp(part.data(), plain.data() + at, *got) == 0) << at;
  }
  expect_random_reads(*source, plain, 500, 33);
}

}  // namespace
}  // namespace acetate
