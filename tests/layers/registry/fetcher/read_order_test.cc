#include "layers/registry/fetcher/read_order.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/bytes.h"
#include "layers/stream/read_trace.h"
#include "layers/tar/foreign_index.h"
#include "layers/tar/tar_scan.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/layers/tar/tar_maker.h"
#include "tests/support/temp_dir.h"

namespace acetate::registry {
namespace {

class ReadOrder : public ::testing::Test {
 protected:
  ReadOrder() {
    std::minstd_rand random(7);
    std::string noise(9 << 20, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    const auto packed = test::gzip_of(as_bytes(test::TarMaker().file("noise", noise).end()));
    bytes_.assign(packed.begin(), packed.end());
    blob_ = *PartialBlob::make(dir_.path(), {.blob = Digest::of(bytes_), .size = bytes_.size()});
  }
  void trace(std::vector<TracePoint> points) {
    save_trace(dir_ / foreign_trace_name(blob_->digest(), origin_), blob_->digest(), points);
  }
  std::vector<OrderedRun> order() const { return read_order(dir_.path(), *blob_, indexes_); }

  const test::TempDir dir_;
  const IndexStore indexes_{dir_ / "index"};
  const Digest origin_ = Digest::of("origin");
  std::vector<std::byte> bytes_;
  std::unique_ptr<PartialBlob> blob_;
};

TEST_F(ReadOrder, IsThatOfTheTraceInPiecesWithoutABlockTwice) {
  auto scan = *scan_tar(memory_source(bytes_));
  ASSERT_GE(scan.pass.checkpoints.size(), 4U);
  const auto third = scan.pass.checkpoints[2], fourth = scan.pass.checkpoints[3];
  trace({{.offset = third.plain_offset, .ms = 70}, {.offset = 0, .ms = 90}, {.offset = fourth.plain_offset, .ms = 5, .missed = 1}});
  ASSERT_TRUE(indexes_.keep(IndexImage::build(std::move(scan))));
  const auto runs = order();
  ASSERT_GE(runs.size(), 3U);
  EXPECT_EQ(runs.front().first, third.packed_bit / 8 / PartialBlob::kBlock);
  EXPECT_EQ(runs.front().ms, 70U);
  EXPECT_EQ(runs.back().ms, 60'005U) << "what the last run did not come to comes last";
  std::set<std::uint64_t> blocks;
  for (const auto& run : runs) {
    EXPECT_LE(run.end - run.first, 16U);
    for (auto block = run.first; block < run.end; ++block) EXPECT_TRUE(blocks.insert(block).second) << block;
  }
  EXPECT_TRUE(blocks.contains(0));
  EXPECT_TRUE(blocks.contains(fourth.packed_bit / 8 / PartialBlob::kBlock - 1));
  EXPECT_LT(blocks.size(), blob_->blocks()) << "and what nobody came to is left to others";
}

TEST_F(ReadOrder, HasAllSpansThatAPointLiesIn) {
  auto scan = *scan_tar(memory_source(bytes_));
  ASSERT_GE(scan.pass.checkpoints.size(), 4U);
  const auto second = scan.pass.checkpoints[1], fourth = scan.pass.checkpoints[3];
  const auto bytes = static_cast<std::uint32_t>(fourth.plain_offset - second.plain_offset);
  trace({{.offset = second.plain_offset + 9, .ms = 70, .bytes = bytes - 9}});
  ASSERT_TRUE(indexes_.keep(IndexImage::build(std::move(scan))));
  std::uint64_t next = second.packed_bit / 8 / PartialBlob::kBlock;
  for (const auto& run : order()) {
    EXPECT_EQ(run.first, next);
    next = run.end;
  }
  EXPECT_EQ(next, (fourth.packed_bit + 7) / 8 / PartialBlob::kBlock + 1);
}

TEST_F(ReadOrder, IsNoneWhereThereIsNothingToGoBy) {
  EXPECT_TRUE(order().empty());
  trace({{.offset = 0, .ms = 1}});
  EXPECT_TRUE(order().empty()) << "without an index nobody knows where that is";
  ASSERT_TRUE(indexes_.keep(IndexImage::build(*scan_tar(memory_source(bytes_)))));
  EXPECT_FALSE(order().empty());
  dir_.write(foreign_trace_name(blob_->digest(), origin_), "no trace");
  EXPECT_TRUE(order().empty());
  trace({{.offset = 1ULL << 60, .ms = 1}, {.offset = ~std::uint64_t{0}, .ms = 1, .bytes = 9}, {.offset = 5, .ms = 1, .bytes = ~std::uint32_t{0}}});
  for (const auto& run : order()) EXPECT_LE(run.end, blob_->blocks()) << "whatever it says";
}

}  // namespace
}  // namespace acetate::registry
