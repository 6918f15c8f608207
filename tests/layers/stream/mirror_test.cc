// Decoded spans on disk: found again, never wrong, taken away under a cap, pinned against it.
#include "layers/stream/mirror_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/sys/call.h"
#include "base/sys/file.h"
#include "layers/stream/seekable.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/support/temp_dir.h"

namespace acetate {
namespace {

using test::Bytes;
using test::TempDir;

constexpr std::uint64_t kSpan = 65536;
constexpr std::uint64_t kSpans = 20;

class Fail final : public sys::Hook {
 public:
  Fail(sys::Call call, int code) : call_(call), code_(code), before_(sys::install(this)) {}
  ~Fail() override { sys::install(before_); }
  int before(sys::Call call) noexcept override { return call == call_ ? code_ : 0; }

 private:
  sys::Call call_;
  int code_;
  sys::Hook* before_;
};

// A blob of spans of equal size, and what each holds.
class MirrorTest : public ::testing::Test {
 protected:
  MirrorStore store(std::uint64_t capacity = std::uint64_t{1} << 30) { return {dir_ / "m", capacity}; }
  Mirror::Of of(char name = 'a') const {
    return {.blob = Digest::of(std::string(1, name)), .plain_size = plain_.size(), .spans = kSpans};
  }
  static SpanPlace place(std::size_t i) { return {i, i * kSpan, (i + 1) * kSpan}; }
  std::span<const std::byte> bytes(std::size_t i) const { return std::span(plain_).subspan(i * kSpan, kSpan); }
  bool holds(const Mirror& mirror, std::size_t i) const {
    const auto found = mirror.load(place(i));
    if (found == nullptr || !found->is_true(0, found->size)) return false;
    EXPECT_TRUE(std::ranges::equal(found->bytes(), bytes(i))) << i;
    return true;
  }
  std::uint64_t on_disk() const {
    std::uint64_t total = 0;
    for (const auto& entry : std::filesystem::directory_iterator(dir_ / "m"))
      total += static_cast<std::uint64_t>(sys::stat(FileAt{kWorkingDir, entry.path().c_str()})->st_blocks) * 512;
    return total;
  }
  std::string file() const { return dir_ / "m/" + of().blob.hex() + ".mirror"; }

  TempDir dir_;
  Bytes plain_ = test::noise_bytes(kSpans * kSpan, 5);
};

TEST_F(MirrorTest, FindsAgainWhatWasStored) {
  const auto mirror = store().open(of());
  ASSERT_NE(mirror, nullptr);
  EXPECT_FALSE(holds(*mirror, 3));
  mirror->store(place(3), bytes(3));
  EXPECT_TRUE(holds(*mirror, 3));
  EXPECT_FALSE(holds(*mirror, 4));

  const auto again = store().open(of());
  EXPECT_TRUE(holds(*again, 3));
  EXPECT_EQ(again->load({3, 3 * kSpan, 3 * kSpan + 100}), nullptr) << "cut differently by another index";
  EXPECT_FALSE(holds(*store().open(of('b')), 3)) << "another blob";
}

TEST_F(MirrorTest, HoldsNothingThatIsNotAsItWasStored) {
  store().open(of())->store(place(0), bytes(0));
  const Fd raw = *sys::open(file(), O_RDWR);
  std::mt19937_64 random(6);
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t places[] = {random() % kSpan, mirror_format::record_at(plain_.size(), 0) + random() % 24,
                                    mirror_format::block_sums_at(plain_.size(), kSpans, 0, 0) + random() % 8};
    const std::uint64_t at = places[round % 3];
    std::byte byte{};
    ASSERT_TRUE(sys::pread_full(raw.ref(), {&byte, 1}, at));
    const std::byte wrong = byte ^ std::byte{0x10};
    ASSERT_TRUE(sys::pwrite_full(raw.ref(), {&wrong, 1}, at));
    EXPECT_FALSE(holds(*store().open(of()), 0)) << at;
    EXPECT_FALSE(store().open(of())->stretch(place(0), 5).has_value()) << at;
    ASSERT_TRUE(sys::pwrite_full(raw.ref(), {&byte, 1}, at));
  }
  EXPECT_TRUE(holds(*store().open(of()), 0));
}

TEST_F(MirrorTest, LooksOnlyAtTheBlocksThatAreWanted) {
  const SpanPlace all{0, 0, kSpans * kSpan};
  const Mirror::Of one{.blob = of().blob, .plain_size = plain_.size(), .spans = 1};
  store().open(one)->store(all, plain_);
  const Fd raw = *sys::open(file(), O_RDWR);
  const std::byte wrong = plain_[5 * kSpan] ^ std::byte{1};
  ASSERT_TRUE(sys::pwrite_full(raw.ref(), {&wrong, 1}, 5 * kSpan));

  const auto mirror = store().open(one);
  const auto found = mirror->load(all);
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(found->is_true(0, 5 * kSpan));
  EXPECT_FALSE(found->is_true(5 * kSpan - 1, 2)) << "one byte of it is in the damaged block";
  EXPECT_TRUE(found->is_true(6 * kSpan, 14 * kSpan));
  EXPECT_FALSE(found->is_true(0, plain_.size()));
  EXPECT_FALSE(mirror->stretch(all, 0).has_value()) << "nobody would look at what is taken from the file";

  mirror->distrust(all);
  EXPECT_EQ(mirror->load(all), nullptr);
  EXPECT_FALSE(mirror->holds(all));
  mirror->store(all, plain_);
  EXPECT_TRUE(mirror->load(all)->is_true(0, plain_.size()));
}

TEST_F(MirrorTest, ASourceDecodesAgainWhatIsDamagedInTheFile) {
  const Bytes plain = test::sample_bytes(1'000'000, 9);
  const Bytes packed = test::gzip_of(plain);
  const auto result = test::pass(packed, {.span_bytes = 4 * kSpan})->result;
  SpanCache none(0);
  const auto open = [&] {
    return *seekable_source({.packed = memory_source(packed), .format = result.format, .plain_size = plain.size(),
                             .checkpoints = checkpoint_table(result.checkpoints), .cache = &none, .mirrors = store(), .blob = result.blob});
  };
  Bytes into(plain.size());
  ASSERT_TRUE(open()->pread(into, 0));
  const Fd raw = *sys::open(dir_ / "m/" + result.blob.hex() + ".mirror", O_RDWR);
  const std::byte wrong = plain[300'000] ^ std::byte{1};
  ASSERT_TRUE(sys::pwrite_full(raw.ref(), {&wrong, 1}, 300'000));

  const auto source = open();
  ASSERT_EQ(*source->pread(std::span(into).first(1000), 400'000), 1000u);
  EXPECT_EQ(source->counted().spans, 0u) << "another block of the same span is as it was";
  ASSERT_EQ(*source->pread(into, 0), plain.size());
  EXPECT_TRUE(into == plain);
  EXPECT_EQ(source->counted().spans, 1u);
  ASSERT_EQ(*open()->pread(into, 0), plain.size());
  EXPECT_TRUE(into == plain) << "and it is whole in the file again";
}

TEST_F(MirrorTest, AFileOfAnotherVersionIsTheFirstToGo) {
  store().open(of())->store(place(0), bytes(0));
  dir_.write("m/" + of('b').blob.hex() + ".mirror", std::string(kSpan, 'x'));
  store(2 * kSpan).trim();
  EXPECT_FALSE(std::filesystem::exists(dir_ / "m/" + of('b').blob.hex() + ".mirror"));
  EXPECT_TRUE(holds(*store().open(of()), 0));
}

TEST_F(MirrorTest, ReplacesAFileThatIsNoneOfIts) {
  for (const std::string& content : {std::string("short"), std::string(plain_.size() + 4096, 'x')}) {
    store().open(of())->store(place(0), bytes(0));
    dir_.write("m/" + of().blob.hex() + ".mirror", content);
    const auto mirror = store().open(of());
    ASSERT_NE(mirror, nullptr);
    EXPECT_FALSE(holds(*mirror, 0));
    mirror->store(place(1), bytes(1));
    EXPECT_TRUE(holds(*mirror, 1));
  }
  // Nor one that others may write.
  std::filesystem::permissions(file(), std::filesystem::perms::all);
  EXPECT_FALSE(holds(*store().open(of()), 1));
}

TEST_F(MirrorTest, TakesAwayWhatWasNotUsedForLongest) {
  const auto mirror = store().open(of());
  for (std::size_t i = 0; i < kSpans; ++i) mirror->store(place(i), bytes(i));
  // As if the even ones had been used an hour ago.
  const Fd raw = *sys::open(file(), O_RDWR);
  for (std::size_t i = 0; i < kSpans; i += 2) {
    const std::uint32_t long_ago = 1;
    ASSERT_TRUE(sys::pwrite_full(raw.ref(), std::as_bytes(std::span(&long_ago, 1)),
                                 mirror_format::record_at(plain_.size(), i) + 24));
  }
  ASSERT_GE(on_disk(), kSpans * kSpan);

  store(15 * kSpan).trim();

  EXPECT_LE(on_disk(), 15 * kSpan);
  std::size_t left = 0;
  for (std::size_t i = 0; i < kSpans; ++i) {
    const bool here = holds(*mirror, i);
    left += here ? 1 : 0;
    EXPECT_TRUE(here || i % 2 == 0) << i;
  }
  EXPECT_GE(left, 12u);
  EXPECT_LT(left, 15u);
}

TEST_F(MirrorTest, StaysUnderItsCapByItself) {
  const auto mirror = store(8 * kSpan).open(of());
  for (std::size_t i = 0; i < kSpans; ++i) mirror->store(place(i), bytes(i));
  EXPECT_LE(on_disk(), 9 * kSpan);
  EXPECT_EQ(store(0).open(of()), nullptr) << "no cap, no mirror";
}

TEST_F(MirrorTest, NeverTakesAwayWhatIsPinned) {
  const auto mirror = store().open(of());
  for (std::size_t i = 0; i < kSpans; ++i) mirror->store(place(i), bytes(i));
  auto pinned = mirror->stretch(place(2), 2 * kSpan + 10);
  ASSERT_TRUE(pinned);
  EXPECT_EQ(pinned->length, kSpan - 10);
  auto twice = mirror->stretch(place(2), 2 * kSpan);
  twice.reset();

  store(1).trim();

  Bytes read(pinned->length);
  ASSERT_EQ(*sys::pread_full(pinned->fd, read, pinned->fd_offset), read.size());
  EXPECT_TRUE(std::ranges::equal(read, bytes(2).subspan(10)));
  EXPECT_TRUE(holds(*mirror, 2));
  EXPECT_FALSE(holds(*mirror, 3));

  pinned.reset();
  store(1).trim();
  EXPECT_FALSE(holds(*mirror, 2));
}

TEST_F(MirrorTest, FreesWhatAKilledWriterLeft) {
  const auto mirror = store().open(of());
  mirror->store(place(0), bytes(0));
  const Fd raw = *sys::open(file(), O_RDWR);
  const std::uint64_t not_whole = 0;  // as before the last write of store()
  ASSERT_TRUE(sys::pwrite_full(raw.ref(), std::as_bytes(std::span(&not_whole, 1)),
                               mirror_format::record_at(plain_.size(), 0)));
  EXPECT_FALSE(holds(*mirror, 0));
  const std::uint64_t before = on_disk();
  store(1).trim();
  EXPECT_LE(on_disk() + kSpan, before);
}

TEST_F(MirrorTest, IsNeverSharedByTwoThatCutItDifferently) {
  Mirror::Of other = of();
  other.cut = 1;
  const auto mirror = store().open(of());
  for (std::size_t i = 0; i < kSpans; ++i) mirror->store(place(i), bytes(i));
  const auto pinned = mirror->load(place(3));
  ASSERT_TRUE(pinned->is_true(0, pinned->size));

  // Its third span is not ours; were it one file, its lock would let our bytes be punched out.
  const SpanPlace third{2, 2 * kSpan + 7, 3 * kSpan + 7};
  const auto beside = store().open(other);
  beside->store(third, std::span(plain_).subspan(third.begin, kSpan));
  store(1).trim();
  EXPECT_TRUE(std::ranges::equal(pinned->bytes(), bytes(3)));
  EXPECT_TRUE(holds(*mirror, 4)) << "whoever has the old file open keeps it";
}

TEST_F(MirrorTest, StoresNothingMoreInAFileThatLostItsName) {
  const auto mirror = store().open(of());
  mirror->store(place(0), bytes(0));
  std::filesystem::remove(file());
  mirror->store(place(1), bytes(1));
  EXPECT_TRUE(holds(*mirror, 0));
  EXPECT_FALSE(holds(*mirror, 1)) << "no trim would see it";
  EXPECT_TRUE(mirror->is_full());
}

TEST_F(MirrorTest, IsOneFileForAllWhoOpenItAtOnce) {
  for (int round = 0; round < 20; ++round) {
    std::vector<std::shared_ptr<Mirror>> opened(4);
    std::vector<std::thread> threads;
    for (auto& mirror : opened) threads.emplace_back([&] { mirror = store().open(of()); });
    for (std::thread& thread : threads) thread.join();
    opened.front()->store(place(0), bytes(0));
    for (const auto& mirror : opened) ASSERT_TRUE(mirror != nullptr && holds(*mirror, 0)) << round;
    std::filesystem::remove(file());
  }
}

TEST_F(MirrorTest, FreesWhatAKilledTrimLeft) {
  const auto mirror = store().open(of());
  mirror->store(place(0), bytes(0));
  const std::uint64_t before = on_disk();
  {
    Fail killed(sys::Call::fallocate, EIO);  // after the checksum was taken away
    store(1).trim();
  }
  EXPECT_FALSE(holds(*mirror, 0));
  store(1).trim();
  EXPECT_LE(on_disk() + kSpan, before);
}


TEST_F(MirrorTest, AFullDiskOnlyMeansThatNothingIsKept) {
  const auto mirror = store().open(of());
  {
    Fail full(sys::Call::pwrite, ENOSPC);
    mirror->store(place(0), bytes(0));
  }
  mirror->store(place(1), bytes(1));
  EXPECT_FALSE(holds(*mirror, 0));
  EXPECT_FALSE(holds(*mirror, 1)) << "it was told once that the disk is full";
}

TEST_F(MirrorTest, WithoutRangeLocksNothingIsKeptAndNothingPinned) {
  Fail none(sys::Call::fcntl, ENOLCK);
  const auto mirror = store().open(of());
  ASSERT_NE(mirror, nullptr);
  mirror->store(place(0), bytes(0));
  EXPECT_FALSE(holds(*mirror, 0));
  EXPECT_FALSE(mirror->stretch(place(0), 0).has_value());
}

TEST_F(MirrorTest, ASourceDecodesEachSpanOnceForAllProcesses) {
  const Bytes plain = test::sample_bytes(1'000'000, 7);
  for (const Bytes& packed : {test::gzip_of(plain), test::zstd_of(plain), test::xz_of(plain)}) {
    const auto result = test::pass(packed, {.span_bytes = kSpan})->result;
    SpanCache none(0);
    const auto open = [&] {
      return *seekable_source({.packed = memory_source(packed), .format = result.format, .plain_size = plain.size(),
                               .checkpoints = checkpoint_table(result.checkpoints), .cache = &none,
                               .mirrors = store(), .blob = result.blob});
    };
    const auto first = open(), second = open();
    Bytes into(plain.size());
    EXPECT_FALSE(first->stretch(100, 1).has_value()) << "not decoded yet";
    ASSERT_EQ(*first->pread(into, 0), plain.size());
    EXPECT_TRUE(into == plain);
    EXPECT_EQ(first->counted().spans, result.checkpoints.size());

    std::ranges::fill(into, std::byte{});
    ASSERT_EQ(*second->pread(into, 0), plain.size());
    EXPECT_TRUE(into == plain);
    EXPECT_EQ(second->counted().spans, 0u);
    EXPECT_EQ(second->counted().starts, 0u);

    // Every byte of it lies plain in a file now.
    for (std::uint64_t at = 0; at < plain.size();) {
      const auto stretch = second->stretch(at, plain.size());
      ASSERT_TRUE(stretch) << at;
      Bytes part(stretch->length);
      ASSERT_EQ(*sys::pread_full(stretch->fd, part, stretch->fd_offset), part.size());
      ASSERT_TRUE(std::equal(part.begin(), part.end(), plain.begin() + static_cast<std::ptrdiff_t>(at)));
      at += stretch->length;
    }
    EXPECT_FALSE(second->stretch(plain.size(), 1).has_value());
  }
}

TEST_F(MirrorTest, AStreamWithOneStartIsDecodedOnceWhateverIsReadFirst) {
  const Bytes plain = test::sample_bytes(1'000'000, 8);
  const Bytes packed = test::zstd_of(plain);
  const auto result = test::pass(packed, {.span_bytes = kSpan})->result;
  SpanCache none(0);
  const auto source = *seekable_source({.packed = memory_source(packed), .format = result.format,
                                        .plain_size = plain.size(),
                                        .checkpoints = checkpoint_table(result.checkpoints), .cache = &none});
  Bytes into(10);
  for (std::uint64_t at = plain.size() - 10; at > 70'000; at -= 70'000) {
    ASSERT_EQ(*source->pread(into, at), 10u);
    EXPECT_TRUE(std::equal(into.begin(), into.end(), plain.begin() + static_cast<std::ptrdiff_t>(at)));
  }
  EXPECT_EQ(source->counted().starts, 1u);
  EXPECT_EQ(source->counted().plain_bytes, plain.size());
}

}  // namespace
}  // namespace acetate
