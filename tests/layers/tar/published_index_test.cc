#include "layers/tar/published_index.h"

#include <gtest/gtest.h>

#include <random>

#include "base/bytes.h"
#include "base/sys/memory.h"
#include "layers/tar/index_bytes.h"
#include "layers/tar/tar_layer.h"
#include "layers/tar/tar_scan.h"
#include "layers/tar/toc_layer.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tar/tar_maker.h"

namespace acetate {
namespace {

// Bytes that pack to a half, and refer back to others.
std::string words_of(std::size_t size, unsigned seed) {
  const auto bytes = test::sample_bytes(size, seed);
  return std::string(as_text(bytes));
}

class PublishedIndex : public ::testing::Test {
 protected:
  PublishedIndex()
      : packed_(test::gzip_of(as_bytes(tar_.file("first", words_of(6 << 20, 1))
                                           .file("small", words_of(3000, 2))
                                           .file("program", "\x7f" "ELF" + words_of(5 << 20, 3))
                                           .file("last", words_of(7 << 20, 4))
                                           .end()))),
        index_(*index_in_memory(IndexImage::build(*scan_tar(source())))) {}

  SourcePtr source() const { return memory_source(packed_); }
  // Of a file of the root.
  lix::Inode inode(const std::string& name) const { return index_->lookup(LayerIndex::kRoot, name)->inode; }
  LayerIndexPtr published(const std::vector<TracePoint>& points) const {
    const Fd file = *sys::memory_file("index");
    const auto written = write_index_for_others(index_, source(), points, file.ref());
    EXPECT_TRUE(written) << test::words(written);
    auto index = LayerIndex::open(file.ref(), "", index_->facts().blob);
    EXPECT_TRUE(index) << test::words(index);
    return *std::move(index);
  }

  test::TarMaker tar_;
  const std::vector<std::byte> packed_;
  const LayerIndexPtr index_;
};

TEST_F(PublishedIndex, TellsTheSameTreeAndBytes) {
  const auto small = inode("small");
  const auto index = published({{.offset = small.data, .ms = 1, .bytes = static_cast<std::uint32_t>(small.size)}});
  EXPECT_TRUE(index->is_whole());
  EXPECT_EQ(index->facts().diff_id, index_->facts().diff_id);
  EXPECT_EQ(index->facts().entries, index_->facts().entries);
  EXPECT_GT(index->facts().spans, index_->facts().spans);
  EXPECT_NE(index->facts().fingerprint, index_->facts().fingerprint) << "whoever keeps decoded spans must not take one for the other";
  const auto own = make_tar_layer(index_, *plain_bytes(index_, source())), theirs = make_tar_layer(index, *plain_bytes(index, source()));
  const auto same = same_tree(*theirs, *own);
  EXPECT_TRUE(same) << test::words(same);
}

TEST_F(PublishedIndex, HasASpanForASmallFileThatIsRead) {
  const auto small = inode("small");
  const auto index = published({{.offset = small.data, .ms = 1, .bytes = static_cast<std::uint32_t>(small.size)}});
  const auto spans = LayerIndex::checkpoints(index);
  const auto span = *find_span(*spans, small.data);
  EXPECT_LT(spans->at(span + 1)->plain_offset - spans->at(span)->plain_offset, std::uint64_t{512} << 10);
}

TEST_F(PublishedIndex, HasMoreSpansAndShorterWindowsThanOurOwn) {
  const auto index = published({});
  EXPECT_GE(index->facts().spans, 3 * index_->facts().spans);
  EXPECT_LT(index->facts().window_bytes / index->facts().spans, index_->facts().window_bytes / index_->facts().spans);
}

TEST_F(PublishedIndex, OfAProgramThatIsReadIsForAllOfIt) {
  const auto program = inode("program"), last = inode("last");
  const TracePoint in_program{.offset = program.data + (1 << 20), .ms = 5, .bytes = 4096}, in_last{.offset = last.data, .ms = 7, .missed = 1, .bytes = 4096};
  const auto points = *points_for_others(index_, source(), {in_program, in_last});
  EXPECT_EQ(points, (std::vector<TracePoint>{in_program, {.offset = program.data, .ms = 5, .bytes = static_cast<std::uint32_t>(program.size)}, in_last}));
}

// A lazy mount looks there when it opens the file.
TEST_F(PublishedIndex, OfAFileThatIsReadFurtherOnIsForItsBeginToo) {
  const auto last = inode("last");
  const TracePoint one{.offset = last.data + (3 << 20), .ms = 7, .missed = 1, .bytes = 4096}, another{.offset = last.data + (5 << 20), .ms = 9, .bytes = 4096};
  const auto points = *points_for_others(index_, source(), {one, another});
  EXPECT_EQ(points, (std::vector<TracePoint>{{.offset = last.data, .ms = 7, .missed = 1, .bytes = 4}, one, another}));
}

TEST_F(PublishedIndex, GivesSpansOfOldTracesTheLengthTheyHave) {
  const auto spans = LayerIndex::checkpoints(index_);
  const std::uint64_t begin = spans->at(1)->plain_offset, end = spans->at(2)->plain_offset;
  const auto points = *points_for_others(index_, source(), {{.offset = begin, .ms = 3}, {.offset = ~std::uint64_t{0}, .ms = 4}});
  EXPECT_EQ(points, (std::vector<TracePoint>{{.offset = begin, .ms = 3, .bytes = static_cast<std::uint32_t>(end - begin)}}));
}

}  // namespace
}  // namespace acetate
