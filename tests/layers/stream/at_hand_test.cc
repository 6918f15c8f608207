// ByteSource::pread_at_hand(): what can be read without decoding, fetching or waiting.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/sys/call.h"
#include "base/sys/file.h"
#include "layers/stream/mirror_store.h"
#include "layers/stream/seekable.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/support/page_cache.h"
#include "tests/support/temp_dir.h"

namespace acetate {
namespace {

using test::Bytes;

constexpr std::uint64_t kSpan = 65536;

Bytes at_hand(const ByteSource& source, std::size_t count, std::uint64_t offset) {
  Bytes into(count);
  const auto got = source.pread_at_hand(into, offset);
  EXPECT_TRUE(got) << got.error().message();
  into.resize(got ? *got : 0);
  return into;
}

class AtHand : public ::testing::Test {
 protected:
  DecodedSourcePtr open(SpanCache& cache, std::optional<MirrorStore> mirrors = {}) const {
    return *seekable_source({.packed = memory_source(packed_), .format = pass_.format, .plain_size = pass_.plain_size,
                             .checkpoints = checkpoint_table(pass_.checkpoints), .cache = &cache, .mirrors = std::move(mirrors), .blob = pass_.blob});
  }
  Bytes part(std::size_t count, std::uint64_t offset) const {
    const auto begin = plain_.begin() + static_cast<std::ptrdiff_t>(offset);
    return {begin, begin + static_cast<std::ptrdiff_t>(count)};
  }
  // Where the second span begins.
  std::uint64_t second() const { return pass_.checkpoints[1].plain_offset; }

  const Bytes plain_ = test::sample_bytes(1'000'000, 7);
  const Bytes packed_ = test::gzip_of(plain_, {.level = 6});
  const FirstPassResult pass_ = test::pass(packed_, {.span_bytes = kSpan})->result;
  test::TempDir dir_;
};

TEST_F(AtHand, IsNothingOfWhatWouldHaveToBeDecoded) {
  SpanCache cache(8 * kSpan);
  const auto source = open(cache);

  EXPECT_TRUE(at_hand(*source, 100, 0).empty());
  EXPECT_EQ(source->counted().spans, 0U);
}

TEST_F(AtHand, IsWhatWasDecodedAndNotWhatComesBehindIt) {
  SpanCache cache(8 * kSpan);
  const auto source = open(cache);
  Bytes one(1);
  ASSERT_TRUE(source->pread(one, 0));

  EXPECT_EQ(at_hand(*source, 100, 10), part(100, 10));
  EXPECT_EQ(at_hand(*source, 4 * kSpan, 10), part(second() - 10, 10));
  EXPECT_TRUE(at_hand(*source, 100, second()).empty());
  EXPECT_EQ(source->counted().spans, 1U);
}

TEST_F(AtHand, IsWhatAnEarlierMountLeftInTheMirror) {
  const MirrorStore mirrors(dir_ / "mirror", MirrorStore::kDefaultCapacity);
  SpanCache first(8 * kSpan), second_run(8 * kSpan);
  Bytes all(plain_.size());
  ASSERT_TRUE(open(first, mirrors)->pread(all, 0));

  const auto source = open(second_run, mirrors);

  EXPECT_EQ(at_hand(*source, plain_.size() + 1, 0), plain_);
  EXPECT_TRUE(at_hand(*source, 1, plain_.size()).empty());
  EXPECT_EQ(source->counted().spans, 0U);
}

TEST_F(AtHand, IsWhatAFileHasInThePageCache) {
  NEED_READS_WITHOUT_WAITING(dir_);
  dir_.write("f", "0123456789");
  const auto source = *file_source(*sys::open(dir_ / "f", O_RDONLY), 2, 6);

  EXPECT_EQ(as_text(at_hand(*source, 100, 1)), "34567");
  EXPECT_TRUE(at_hand(*source, 100, 6).empty());
}

// What a file system says that knows no such reads, and one that would have to wait.
class Answers final : public sys::Hook {
 public:
  explicit Answers(int code) : code_(code), before_(sys::install(this)) {}
  ~Answers() override { sys::install(before_); }
  int before(sys::Call call) noexcept override { return call == sys::Call::preadv2 ? code_ : 0; }

 private:
  const int code_;
  sys::Hook* before_;
};

TEST_F(AtHand, IsNothingWhereADiskWouldHaveToBeWaitedForOrNobodyCanTell) {
  dir_.write("f", "0123456789");
  const auto source = *file_source(*sys::open(dir_ / "f", O_RDONLY));

  for (const int code : {EAGAIN, ENOSYS}) {
    const Answers answers(code);
    EXPECT_TRUE(at_hand(*source, 100, 0).empty());
  }
  const bool is_memory = sys::statfs(sys::open(dir_ / "f", O_RDONLY)->ref())->f_type == TMPFS_MAGIC;
  const Answers answers(EOPNOTSUPP);
  EXPECT_EQ(as_text(at_hand(*source, 100, 0)), is_memory ? "0123456789" : "");
}

}  // namespace
}  // namespace acetate
