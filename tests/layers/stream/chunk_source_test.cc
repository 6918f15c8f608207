// Chunks of a table of contents: which of them come together from far away.
#include "layers/stream/chunk_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/layers/stream/packed_data.h"

namespace acetate {
namespace {

using test::Bytes;
using testing::ElementsAre;
using testing::Pair;

constexpr std::size_t kChunk = 64 << 10;

// Bytes in memory that notes what it is told to bring.
class FarAway final : public ByteSource {
 public:
  explicit FarAway(Bytes bytes) : bytes_(std::move(bytes)), inner_(memory_source(bytes_)) {}
  std::uint64_t size() const override { return inner_->size(); }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override { return inner_->pread(into, offset); }
  Result<void> bring(std::uint64_t offset, std::uint64_t length) const override {
    brought.emplace_back(offset, offset + length);
    return {};
  }
  mutable std::vector<std::pair<std::uint64_t, std::uint64_t>> brought;

 private:
  const Bytes bytes_;
  const SourcePtr inner_;
};

class Chunks : public ::testing::Test {
 protected:
  // A file of so many chunks, each a frame of its own, behind those there are.
  void file(int chunks) {
    for (int i = 0; i < chunks; ++i) {
      const Bytes plain = test::sample_bytes(kChunk, ++seed_);
      const Bytes frame = test::zstd_of(plain);
      chunks_.push_back({.plain_offset = plain_.size(), .length = kChunk, .packed_offset = packed_.size(), .digest = Digest::of(plain), .goes_on = i + 1 < chunks});
      plain_.insert(plain_.end(), plain.begin(), plain.end());
      packed_.insert(packed_.end(), frame.begin(), frame.end());
    }
  }
  void open() {
    far_ = std::make_shared<FarAway>(packed_);
    source_ = *chunk_source(far_, Format::zstd, chunks_, packed_.size(), cache_);
  }
  void read(std::size_t chunk) {
    Bytes into(100);
    ASSERT_EQ(*source_->pread(into, chunk * kChunk), into.size());
    ASSERT_TRUE(std::equal(into.begin(), into.end(), plain_.begin() + static_cast<std::ptrdiff_t>(chunk * kChunk)));
  }
  std::uint64_t at(std::size_t chunk) const { return chunk < chunks_.size() ? chunks_[chunk].packed_offset : packed_.size(); }

  std::uint64_t seed_ = 0;
  Bytes plain_, packed_;
  std::vector<Chunk> chunks_;
  SpanCache cache_{64 << 20};
  std::shared_ptr<FarAway> far_;
  DecodedSourcePtr source_;
};

TEST_F(Chunks, OfAFileComeTogetherAndNoneOfTheNext) {
  file(3);
  file(2);
  open();
  read(0);
  EXPECT_THAT(far_->brought, ElementsAre(Pair(0, at(3))));
  read(4);
  EXPECT_THAT(far_->brought, ElementsAre(Pair(0, at(3)), Pair(at(4), at(5))));
}

TEST_F(Chunks, OfALongFileComeAMebibyteAtATime) {
  file(100);
  open();
  read(10);
  ASSERT_EQ(far_->brought.size(), 1U);
  EXPECT_EQ(far_->brought[0].first, at(10));
  EXPECT_LE(far_->brought[0].second - far_->brought[0].first, 1U << 20);
  EXPECT_GT(far_->brought[0].second - far_->brought[0].first, (1U << 20) - 2 * kChunk);
}

TEST_F(Chunks, ThatLieApartDoNot) {
  file(3);
  chunks_[1].packed_offset = packed_.size();  // its frame once more, at the end
  const Bytes frame = test::zstd_of(test::sample_bytes(kChunk, 2));
  packed_.insert(packed_.end(), frame.begin(), frame.end());
  open();
  read(0);
  read(1);
  ASSERT_EQ(far_->brought.size(), 2U);
  EXPECT_EQ(far_->brought[1].first, chunks_[1].packed_offset);
  EXPECT_LT(far_->brought[0].second, chunks_[1].packed_offset);
}

}  // namespace
}  // namespace acetate
