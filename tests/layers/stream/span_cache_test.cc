#include "layers/stream/span_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <latch>
#include <thread>
#include <vector>

namespace acetate {
namespace {

SpanBytes span_of(std::size_t size) {
  auto span = std::make_shared<DecodedSpan>();
  span->data = std::make_unique<std::byte[]>(size);
  span->size = size;
  return span;
}

// Asks for a span, and tells whether it had to be decoded.
bool decodes(SpanCache& cache, SpanCache::Key key, std::size_t size = 100) {
  bool decoded = false;
  const auto got = cache.get(key, [&]() -> Result<SpanBytes> {
    decoded = true;
    return span_of(size);
  });
  EXPECT_TRUE(got);
  return decoded;
}

TEST(SpanCache, DecodesWhatItDoesNotHold) {
  SpanCache cache(1000);
  EXPECT_TRUE(decodes(cache, {1, 0}));
  EXPECT_FALSE(decodes(cache, {1, 0}));
  EXPECT_TRUE(decodes(cache, {1, 1}));
  EXPECT_TRUE(decodes(cache, {2, 0}));
  EXPECT_EQ(cache.bytes(), 300u);
  EXPECT_EQ(cache.hits(), 1u);
  EXPECT_EQ(cache.misses(), 3u);
}

TEST(SpanCache, HoldsNoMoreThanItsCapacity) {
  SpanCache cache(1000);
  for (std::uint64_t i = 0; i < 500; ++i) {
    decodes(cache, {1, i});
    ASSERT_LE(cache.bytes(), 1000u);
  }
  EXPECT_EQ(cache.bytes(), 1000u);
  cache.set_capacity(350);
  EXPECT_EQ(cache.bytes(), 300u);
}

TEST(SpanCache, KeepsWhatIsAskedForAgainAndAgain) {
  SpanCache cache(3200);
  int decoded = 0;
  for (std::uint64_t i = 1; i < 2000; ++i) {
    decoded += decodes(cache, {1, 0});
    decodes(cache, {1, i});
  }
  EXPECT_EQ(decoded, 1);
}

TEST(SpanCache, HandsOutWhatIsTooBigToKeep) {
  SpanCache cache(1000);
  decodes(cache, {1, 0});
  EXPECT_TRUE(decodes(cache, {1, 1}, 5000));
  EXPECT_TRUE(decodes(cache, {1, 1}, 5000));
  EXPECT_FALSE(decodes(cache, {1, 0}));
}

TEST(SpanCache, ForgetsASource) {
  SpanCache cache(10'000);
  for (std::uint64_t i = 0; i < 20; ++i) {
    decodes(cache, {1, i});
    decodes(cache, {2, i});
  }
  cache.forget(1);
  EXPECT_EQ(cache.bytes(), 2000u);
  EXPECT_TRUE(decodes(cache, {1, 3}));
  EXPECT_FALSE(decodes(cache, {2, 3}));
}

TEST(SpanCache, DoesNotKeepAnError) {
  SpanCache cache(1000);
  const auto failed = cache.get({1, 0}, []() -> Result<SpanBytes> { return Error(EIO); });
  EXPECT_TRUE(failed.error().is(EIO));
  const auto exhausted = cache.get({1, 0}, []() -> Result<SpanBytes> { throw std::bad_alloc(); });
  EXPECT_TRUE(exhausted.error().is(ENOMEM));
  EXPECT_TRUE(decodes(cache, {1, 0}));
}

TEST(SpanCache, DecodesOnceForAllWhoMissTogether) {
  constexpr int kReaders = 4, kRounds = 200;
  SpanCache cache(1 << 20);
  std::atomic<int> decoded = 0, failed = 0;
  std::barrier together(kReaders);
  std::vector<std::thread> readers;
  for (int reader = 0; reader < kReaders; ++reader) {
    readers.emplace_back([&] {
      for (std::uint64_t round = 0; round < kRounds; ++round) {
        together.arrive_and_wait();
        const auto got = cache.get({1, round}, [&]() -> Result<SpanBytes> {
          ++decoded;
          return span_of(10);
        });
        if (!got) ++failed;
      }
    });
  }
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(decoded, kRounds);
  EXPECT_EQ(failed, 0);
}

TEST(SpanCache, TellsAllWhoWaitOfAnError) {
  SpanCache cache(1000);
  std::barrier together(4);
  std::atomic<int> failed = 0;
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 4; ++reader) {
    readers.emplace_back([&] {
      together.arrive_and_wait();
      const auto got = cache.get({1, 0}, []() -> Result<SpanBytes> { return fail(EIO, "no luck"); });
      if (!got && got.error().message() == "no luck") ++failed;
    });
  }
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(failed, 4);
}

TEST(SpanCache, HandsOnTheWaitForBytesFromFarAway) {
  SpanCache cache;
  FarWaits ahead_of_all, reader;
  std::latch began(1);
  std::thread ahead([&] {
    const FarWaits::Call call(ahead_of_all);
    EXPECT_TRUE(cache.get({1, 0}, [&]() -> Result<SpanBytes> {
      const FarWait::Here waits;
      began.count_down();
      while (cache.hits() == 0) std::this_thread::yield();  // until the other waits for us
      return span_of(1);
    }));
  });
  began.wait();
  {
    const FarWaits::Call call(reader);
    EXPECT_FALSE(decodes(cache, {1, 0}));
  }
  ahead.join();
  EXPECT_EQ(reader.count(), 1U);
  EXPECT_GT(reader.time().count(), 0);
  EXPECT_EQ(ahead_of_all.count(), 1U);
  // What is here already costs nobody a wait.
  {
    const FarWaits::Call call(reader);
    EXPECT_FALSE(decodes(cache, {1, 0}));
  }
  EXPECT_EQ(reader.count(), 1U);
}

TEST(SpanCache, CountsNoWaitForADecodeThatHasItsBytes) {
  SpanCache cache;
  FarWaits reader;
  std::latch began(1);
  std::thread ahead([&] {
    EXPECT_TRUE(cache.get({1, 0}, [&]() -> Result<SpanBytes> {
      { const FarWait::Here waits; }
      began.count_down();
      while (cache.hits() == 0) std::this_thread::yield();
      return span_of(1);
    }));
  });
  began.wait();
  {
    const FarWaits::Call call(reader);
    EXPECT_FALSE(decodes(cache, {1, 0}));
  }
  ahead.join();
  EXPECT_EQ(reader.count(), 0U);
}

}  // namespace
}  // namespace acetate
