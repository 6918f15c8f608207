// fs/fuse/metrics.cc and gate.h: counting, the two machine formats, and being alone.
#include "fs/fuse/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "fs/fuse/gate.h"

namespace acetate::fs {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Metrics, CountLatenciesByPowersOfTwo) {
  Metrics metrics;
  metrics.record(Operation::read, 900ns);
  metrics.record(Operation::read, 3us);
  metrics.record(Operation::read, 1h);

  const Latency latency = metrics.of(Operation::read);

  EXPECT_EQ(latency.count(), 3U);
  EXPECT_EQ(latency.buckets[0], 1U);  // below 1 us
  EXPECT_EQ(latency.buckets[2], 1U);  // below 4 us
  EXPECT_EQ(latency.buckets[Latency::kBuckets - 1], 1U);
  EXPECT_EQ(latency.sum, 1h + 3us + 900ns);
  EXPECT_EQ(metrics.of(Operation::write).count(), 0U);
}

TEST(Metrics, AreJsonWithTheOperationsThatWereUsed) {
  Metrics metrics;
  metrics.record(Operation::lookup, 1500ns);

  EXPECT_EQ(metrics_as_json(metrics, {.overlay = {.inodes = 7, .copy_ups = 2}, .layers = 3}),
            "{\"inodes\": 7, \"handles\": 0, \"cached_descriptors\": 0, \"open_descriptors\": 0, \"resident_bytes\": 0, "
            "\"layers\": 3, \"copy_ups\": 2, \"copied_bytes\": 0, \"passed_files\": 0, \"given_bytes\": 0, \"known_lookups\": 0, \"asked_lookups\": 0, "
            "\"decoded_bytes\": 0, \"prefetched_spans\": 0, \"prefetched_spans_used\": 0, \"fetch_waits\": 0, "
            "\"fetch_wait_seconds\": 0.000000000, \"needed_bytes\": 0, \"fetched_bytes\": 0, \"lent_bytes\": 0, \"span_hits\": 0, "
            "\"span_misses\": 0, \"span_bytes\": 0, \"operations\": {\n"
            "  \"lookup\": {\"count\": 1, \"seconds\": 0.000001500, \"buckets\": [[2e-06, 1]]}}}\n");
}

TEST(Metrics, AreAPrometheusHistogramOfCumulativeBuckets) {
  Metrics metrics;
  metrics.record(Operation::getattr, 500ns);
  metrics.record(Operation::getattr, 1500ns);

  const std::string text = metrics_as_prometheus(metrics, {.overlay = {.copied_bytes = 5}});

  EXPECT_THAT(text, HasSubstr("# TYPE fuse_overlay_copied_bytes_total counter\nfuse_overlay_copied_bytes_total 5\n"));
  EXPECT_THAT(text, HasSubstr("fuse_overlay_operation_seconds_bucket{operation=\"getattr\",le=\"1e-06\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("fuse_overlay_operation_seconds_bucket{operation=\"getattr\",le=\"2e-06\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("fuse_overlay_operation_seconds_bucket{operation=\"getattr\",le=\"+Inf\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("fuse_overlay_operation_seconds_sum{operation=\"getattr\"} 0.000002000\n"));
  EXPECT_THAT(text, HasSubstr("fuse_overlay_operation_seconds_count{operation=\"getattr\"} 2\n"));
  EXPECT_THAT(text, Not(HasSubstr("operation=\"read\"")));
}

TEST(Metrics, TellHowOftenDecodedBytesWereInMemory) {
  const DaemonState state{.span_hits = 9, .span_misses = 2, .span_bytes = 4096};

  const std::string text = metrics_as_prometheus(Metrics(), state);

  EXPECT_THAT(text, HasSubstr("# TYPE fuse_overlay_span_hits_total counter\nfuse_overlay_span_hits_total 9\n"));
  EXPECT_THAT(text, HasSubstr("fuse_overlay_span_misses_total 2\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE fuse_overlay_span_bytes gauge\nfuse_overlay_span_bytes 4096\n"));
}

TEST(Metrics, TellHowReadersWaitedForBytesFromFarAway) {
  const DaemonState state{.decoded = {.waits = 3, .waited = 1250ms, .needed_bytes = 700, .fetched_bytes = 900}};

  const std::string text = metrics_as_prometheus(Metrics(), state);

  EXPECT_THAT(text, HasSubstr("# TYPE fuse_overlay_fetch_waits_total counter\nfuse_overlay_fetch_waits_total 3\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE fuse_overlay_fetch_wait_seconds_total counter\nfuse_overlay_fetch_wait_seconds_total 1.250000000\n"));
  EXPECT_THAT(text, HasSubstr("fuse_overlay_needed_bytes_total 700\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE fuse_overlay_fetched_bytes_total counter\nfuse_overlay_fetched_bytes_total 900\n"));
}

TEST(Metrics, BeginAsFuseOverlayfsPrintsThem) {
  EXPECT_THAT(metrics_as_summary(Metrics(), {.overlay = {.inodes = 4}}), StartsWith("# INODES: 4\n# NODES: 4\n"));
}

TEST(Metrics, EveryOperationHasAName) {
  for (std::size_t i = 0; i < kOperations; ++i) EXPECT_FALSE(name_of(static_cast<Operation>(i)).empty()) << i;
  EXPECT_EQ(name_of(Operation::removexattr), "removexattr");
  EXPECT_EQ(name_of(Operation::readdirplus), "readdirplus");
}

TEST(Gate, WhoeverIsAloneIsAlone) {
  Gate gate;
  int plain = 0;  // a data race if the gate does not do what it says
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < 2000; ++round) {
        const Gate::Pass pass(gate);
        EXPECT_EQ(plain % 2, 0);
      }
    });
  for (int round = 0; round < 200; ++round) {
    const Gate::Alone alone(gate);
    ++plain;
    std::this_thread::yield();
    ++plain;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(plain, 400);
}

}  // namespace
}  // namespace acetate::fs
