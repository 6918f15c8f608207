// What is decoded before anybody asks for it, by what earlier runs read.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "layers/stream/read_ahead.h"
#include "layers/stream/read_trace.h"
#include "layers/stream/seekable.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/support/temp_dir.h"

namespace acetate {
namespace {

using test::Bytes;

constexpr std::uint64_t kSpan = 65536;
constexpr std::uint64_t kRoomy = 1000 * kSpan;

// So that decoding can begin at every span.
Bytes in_small_blocks(const Bytes& plain) { return test::gzip_of(plain, {.memory = 1}); }

// One blob, mounted again and again.
struct Layer {
  explicit Layer(Bytes bytes) : packed(std::move(bytes)), pass(test::pass(packed, {.span_bytes = kSpan})->result) {}

  DecodedSourcePtr source(SpanCache& cache, std::optional<MirrorStore> mirrors = {}) const {
    return *seekable_source({.packed = memory_source(packed), .format = pass.format, .plain_size = pass.plain_size,
                             .checkpoints = checkpoint_table(pass.checkpoints), .cache = &cache,
                             .mirrors = std::move(mirrors), .blob = pass.blob});
  }
  std::uint64_t at(std::size_t span) const { return pass.checkpoints.at(span).plain_offset; }
  // A run that reads a byte of each of these.
  void run(const std::string& trace, std::initializer_list<std::size_t> spans) const {
    SpanCache cache(kRoomy);
    const auto bytes = source(cache);
    bytes->learn(trace);
    std::byte one[1];
    for (const std::size_t span : spans) ASSERT_TRUE(bytes->pread(one, at(span)));
  }

  Bytes packed;
  FirstPassResult pass;
};

void wait_for(const std::function<bool()>& what) {
  while (!what()) std::this_thread::yield();
}

TEST(SpanAhead, HasReadyWhatTheLastRunRead) {
  test::TempDir dir;
  const Bytes plain = test::sample_bytes(40 * kSpan, 1);
  const Layer layer(in_small_blocks(plain));
  layer.run(dir / "trace", {20, 3, 11});
  const auto points = load_trace(dir / "trace", layer.pass.blob);
  ASSERT_EQ(points.size(), 3U);
  EXPECT_EQ(points[0].offset, layer.at(20));
  EXPECT_EQ(points[2].offset, layer.at(11));

  SpanCache cache(kRoomy);
  const auto source = layer.source(cache);
  source->learn(dir / "trace");
  wait_for([&] { return source->counted().prefetched == 3; });
  wait_for([&] { return source->counted().spans == 3; });
  Bytes into(100);
  for (const std::size_t span : {3U, 11U, 12U}) {
    ASSERT_TRUE(source->pread(into, layer.at(span)));
    EXPECT_TRUE(std::memcmp(into.data(), plain.data() + layer.at(span), into.size()) == 0);
  }
  EXPECT_EQ(source->counted().spans, 4U) << "of the last nobody knew";
  EXPECT_EQ(source->counted().prefetched, 3U);
  EXPECT_EQ(source->counted().prefetch_used, 2U);
}

TEST(SpanAhead, LearnsNothingOfARunThatReadNothing) {
  test::TempDir dir;
  const Layer layer(in_small_blocks(test::sample_bytes(20 * kSpan, 2)));
  layer.run(dir / "trace", {7});
  const auto before = load_trace(dir / "trace", layer.pass.blob);
  layer.run(dir / "trace", {});
  EXPECT_EQ(load_trace(dir / "trace", layer.pass.blob), before);
}

TEST(SpanAhead, LearnsOfBytesThatAreTakenFromTheMirrorAndNoMore) {
  test::TempDir dir;
  const Layer layer(in_small_blocks(test::sample_bytes(20 * kSpan, 3)));
  const MirrorStore mirrors(dir / "mirror", MirrorStore::kDefaultCapacity);
  SpanCache cache(kRoomy);
  std::byte one[1];
  ASSERT_TRUE(layer.source(cache, mirrors)->pread(one, layer.at(7)));
  {
    const auto source = layer.source(cache, mirrors);
    source->learn(dir / "trace");
    const auto stretch = source->stretch(layer.at(7) + 5, 100);
    ASSERT_TRUE(stretch);
    EXPECT_EQ(stretch->length, 100U);
  }
  const auto points = load_trace(dir / "trace", layer.pass.blob);
  ASSERT_EQ(points.size(), 1U);
  EXPECT_EQ(points[0].offset, layer.at(7) + 5);
  EXPECT_EQ(points[0].bytes, 100U);
}

TEST(SpanAhead, KeepsWhatAnotherMountLearnedMeanwhile) {
  test::TempDir dir;
  const Layer layer(in_small_blocks(test::sample_bytes(20 * kSpan, 4)));
  SpanCache cache(kRoomy);
  auto longer = layer.source(cache);
  longer->learn(dir / "trace");
  layer.run(dir / "trace", {7});
  std::byte one[1];
  ASSERT_TRUE(longer->pread(one, layer.at(5)));
  longer.reset();

  const auto points = load_trace(dir / "trace", layer.pass.blob);
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(points[0].offset, layer.at(5));
  EXPECT_EQ(points[1].offset, layer.at(7));
}

TEST(SpanAhead, FollowsNoTraceOfAnotherBlobAndReplacesIt) {
  test::TempDir dir;
  const Layer layer(in_small_blocks(test::sample_bytes(20 * kSpan, 3)));
  save_trace(dir / "trace", Digest::of("another"), std::vector<TracePoint>{{layer.at(5), 0, 0}});
  {
    SpanCache cache(kRoomy);
    const auto source = layer.source(cache);
    source->learn(dir / "trace");
    std::byte one[1];
    ASSERT_TRUE(source->pread(one, 0));
    EXPECT_EQ(source->counted().prefetched, 0U);
  }
  EXPECT_EQ(load_trace(dir / "trace", layer.pass.blob).size(), 1U);
}

TEST(SpanAhead, IsNotHarmedByATraceOfPlacesThatAreNot) {
  test::TempDir dir;
  const Bytes plain = test::sample_bytes(20 * kSpan, 4);
  const Layer layer(in_small_blocks(plain));
  save_trace(dir / "trace", layer.pass.blob,
             std::vector<TracePoint>{{~std::uint64_t{0}, 0, 0}, {plain.size(), 1, 9}, {layer.at(5) + 7, ~0U, ~0U}});
  SpanCache cache(kRoomy);
  const auto source = layer.source(cache);
  source->learn(dir / "trace");
  wait_for([&] { return source->counted().spans == 1; });
  EXPECT_EQ(source->counted().prefetched, 1U) << "the span that the third lies in";
}

TEST(SpanAhead, LeavesHalfOfMemoryToReadersWhereNothingIsKeptOnDisk) {
  test::TempDir dir;
  const Layer layer(in_small_blocks(test::sample_bytes(40 * kSpan, 5)));
  std::vector<TracePoint> all;
  for (std::uint32_t i = 0; i < layer.pass.checkpoints.size(); ++i) all.push_back({layer.at(i), i, 0});
  save_trace(dir / "trace", layer.pass.blob, all);

  SpanCache cache(20 * kSpan);
  const auto without = layer.source(cache);
  without->learn(dir / "trace");
  wait_for([&] { return cache.bytes() > cache.capacity() / 2; });
  // What comes after all of them has its turn when the first was refused.
  std::promise<void> idle;
  ReadAhead::process().later(&idle, {{~std::uint64_t{0}, [&] { return idle.set_value(), true; }}});
  idle.get_future().wait();
  EXPECT_LE(without->counted().prefetched * kSpan, cache.capacity());
  EXPECT_LT(without->counted().prefetched, all.size());

  SpanCache other(20 * kSpan);
  const auto with = layer.source(other, MirrorStore(dir / "mirror", MirrorStore::kDefaultCapacity));
  with->learn(dir / "trace");
  wait_for([&] { return with->counted().prefetched == all.size(); });
}

TEST(SpanAhead, GoesThroughAStreamOfOneStartSpanBySpan) {
  test::TempDir dir;
  const Layer layer(test::zstd_of(test::sample_bytes(40 * kSpan, 6)));
  const std::size_t last = layer.pass.checkpoints.size() - 2;
  ASSERT_GT(last, 5U);
  layer.run(dir / "trace", {last});
  SpanCache cache(kRoomy);
  const auto source = layer.source(cache, MirrorStore(dir / "mirror", MirrorStore::kDefaultCapacity));
  source->learn(dir / "trace");
  wait_for([&] { return source->counted().spans == last + 1; });
  EXPECT_EQ(source->counted().starts, 1U);
  EXPECT_EQ(source->counted().plain_bytes, layer.at(last + 1));
}

// Never destroyed: their threads are not.
ReadAhead& ahead_of(unsigned processors) { return *new ReadAhead(processors); }

TEST(ReadAhead, DoesByRisingOrderWhatCanWait) {
  ReadAhead& ahead = ahead_of(1);
  std::promise<std::vector<int>> done;
  std::vector<int> order;
  const auto job = [&](int number) {
    return [&, number] {
      order.push_back(number);
      if (order.size() == 3) done.set_value(order);
      return true;
    };
  };
  {
    const ReadAhead::Reading reading(ahead);  // so that all three are there before one begins
    ahead.later(&done, {{30, job(3)}, {10, job(1)}});
    ahead.later(&order, {{20, job(2)}});
  }
  EXPECT_EQ(done.get_future().get(), (std::vector<int>{1, 2, 3}));
}

TEST(ReadAhead, LetsReadersHaveTheProcessors) {
  ReadAhead& ahead = ahead_of(2);
  std::atomic<int> done = 0;
  std::atomic<int> asked = 0;
  const auto later = [&] { ahead.later(&done, {{0, [&] { return ++done, true; }}}); };
  {
    const ReadAhead::Reading first(ahead);
    later();
    wait_for([&] { return done == 1; });
    const ReadAhead::Reading second(ahead);
    later();
    // What a sequential reader comes to next is done meanwhile.
    ahead.ask(&asked, [&] { ++asked; });
    wait_for([&] { return asked == 1; });
    EXPECT_EQ(done, 1);
  }
  wait_for([&] { return done == 2; });
}

TEST(ReadAhead, DropsWhatIsLeftOfAnOwnerWhoseJobSaysSo) {
  ReadAhead& ahead = ahead_of(1);
  std::promise<void> end;
  std::atomic<int> mine = 0;
  {
    const ReadAhead::Reading reading(ahead);
    ahead.later(&mine, {{1, [&] { return ++mine, false; }}, {2, [&] { return ++mine, true; }}});
    ahead.later(&end, {{3, [&] { return end.set_value(), true; }}});
  }
  end.get_future().wait();
  EXPECT_EQ(mine, 1);
}

TEST(ReadAhead, ForgetsWhatWaits) {
  ReadAhead& ahead = ahead_of(1);
  std::promise<void> end;
  std::atomic<int> mine = 0;
  {
    const ReadAhead::Reading reading(ahead);
    ahead.later(&mine, {{1, [&] { return ++mine, true; }}});
    ahead.later(&end, {{2, [&] { return end.set_value(), true; }}});
    ahead.forget(&mine);
  }
  end.get_future().wait();
  EXPECT_EQ(mine, 0);
}

}  // namespace
}  // namespace acetate
