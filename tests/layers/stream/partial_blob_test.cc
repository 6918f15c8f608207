#include "layers/stream/partial_blob.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <thread>

#include "layers/stream/lazy_source.h"
#include "tests/layers/stream/fake_fetcher.h"
#include "tests/support/temp_dir.h"

namespace acetate {
namespace {

constexpr std::uint64_t kBlock = PartialBlob::kBlock;

std::vector<std::byte> random_bytes(std::size_t size) {
  std::minstd_rand random(7);
  std::vector<std::byte> bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

class PartialBlobTest : public testing::Test {
 protected:
  const test::TempDir dir_;
  const std::vector<std::byte> bytes_ = random_bytes(3 * kBlock + 100);
  const Digest digest_ = Digest::of(bytes_);

  std::unique_ptr<PartialBlob> make() {
    auto made = PartialBlob::make(dir_.path(), {.blob = digest_, .size = bytes_.size()});
    EXPECT_TRUE(made) << (made ? "" : made.error().message());
    return made ? *std::move(made) : nullptr;
  }
  std::span<const std::byte> block(std::uint64_t number) const {
    return std::span(bytes_).subspan(number * kBlock, std::min<std::size_t>(kBlock, bytes_.size() - number * kBlock));
  }
};

TEST_F(PartialBlobTest, HasNothingAtFirstAndThenWhatWasPut) {
  const auto blob = make();
  EXPECT_EQ(blob->blocks(), 4u);
  EXPECT_EQ(*blob->present_bytes(), 0u);
  ASSERT_TRUE(blob->put(3, block(3)));
  EXPECT_EQ(*blob->present(0, 4), (std::vector{false, false, false, true}));
  EXPECT_EQ(*blob->present_bytes(), 100u);

  const auto again = PartialBlob::open(dir_.path(), digest_);
  ASSERT_TRUE(again);
  std::vector<std::byte> into(kBlock);
  ASSERT_TRUE(*(*again)->read(3, into));
  EXPECT_TRUE(std::ranges::equal(std::span(into).first(100), block(3)));
  EXPECT_FALSE(*(*again)->read(0, into));
}

TEST_F(PartialBlobTest, TakesNoRoomForWhatIsOnlySaid) {
  constexpr std::uint64_t kTiB = std::uint64_t{1} << 40;
  const auto made = PartialBlob::make(dir_.path(), {.blob = digest_, .size = kTiB});
  ASSERT_TRUE(made) << made.error().message();
  const auto room = [&](const std::string& name) {
    struct stat st {};
    EXPECT_EQ(::stat((dir_.path() + "/" + name).c_str(), &st), 0);
    return st.st_blocks * 512;
  };
  constexpr long kLittle = 1 << 20;
  EXPECT_LT(room(PartialBlob::map_name(digest_)), kLittle) << "128 MiB of zeroes";
  EXPECT_LT(room(PartialBlob::data_name(digest_)), kLittle);
  const auto blocks = (*made)->blocks();
  ASSERT_TRUE((*made)->put(blocks - 1, block(0)));
  EXPECT_EQ(*(*made)->present_bytes(), kBlock);
  ASSERT_TRUE((*made)->forget_all());
  EXPECT_EQ(*(*made)->present_bytes(), 0u);
  EXPECT_LT(room(PartialBlob::map_name(digest_)), kLittle);
}

TEST_F(PartialBlobTest, TakesATornBlockForOneThatIsNotThere) {
  const auto blob = make();
  ASSERT_TRUE(blob->put(1, block(1)));
  auto content = dir_.read(PartialBlob::data_name(digest_));
  content[kBlock + 17] ^= 1;
  dir_.write(PartialBlob::data_name(digest_), content, 0600);

  std::vector<std::byte> into(kBlock);
  EXPECT_FALSE(*(*PartialBlob::open(dir_.path(), digest_))->read(1, into));
}

TEST_F(PartialBlobTest, RefusesAMapThatIsDamagedOfAnotherBlobOrForOthersToWrite) {
  make();
  const auto map = PartialBlob::map_name(digest_);
  const auto content = dir_.read(map);
  for (const std::size_t at : {0u, 8u, 16u, 47u, 48u}) {
    auto damaged = content;
    damaged[at] ^= 1;
    dir_.write(map, damaged, 0600);
    EXPECT_FALSE(PartialBlob::open(dir_.path(), digest_)) << at;
  }
  dir_.write(map, content.substr(0, content.size() - 1), 0600);
  EXPECT_FALSE(PartialBlob::open(dir_.path(), digest_));
  dir_.write(map, content, 0600);
  EXPECT_TRUE(PartialBlob::open(dir_.path(), digest_));
  ASSERT_EQ(::chmod((dir_ / map).c_str(), 0666), 0);
  EXPECT_FALSE(PartialBlob::open(dir_.path(), digest_));
  EXPECT_TRUE(PartialBlob::open(dir_.path(), Digest::of("another")).error().is(ENOENT));
}

TEST_F(PartialBlobTest, IsTheSameForAllWhoMakeItAtOnce) {
  for (int round = 0; round < 20; ++round) {
    const test::TempDir dir;
    std::vector<std::unique_ptr<PartialBlob>> made(8);
    std::vector<std::thread> threads;
    for (auto& blob : made)
      threads.emplace_back([&] { blob = *PartialBlob::make(dir.path(), {.blob = digest_, .size = bytes_.size()}); });
    for (auto& thread : threads) thread.join();
    ASSERT_TRUE(made[0]->put(1, block(1)));
    for (const auto& blob : made) {
      EXPECT_TRUE(*blob->is_current(dir.path()));
      EXPECT_TRUE((*blob->present(1, 2))[0]);
    }
  }
}

TEST_F(PartialBlobTest, IsNeverTakenFromUnderThoseWhoHaveItOpen) {
  auto blob = make();
  ASSERT_TRUE(blob->put(1, block(1)));
  const auto other = [&] { return PartialBlob::make(dir_.path(), {.blob = digest_, .size = 10}); };
  EXPECT_TRUE(other().error().is(EBUSY));
  std::vector<std::byte> into(kBlock);
  EXPECT_TRUE(*blob->read(1, into));
  EXPECT_TRUE(*blob->is_current(dir_.path()));

  blob.reset();
  const auto made = other();
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ((*made)->size(), 10u);
}

TEST_F(PartialBlobTest, IsNotMadeAnewWhenItOnlyCannotBeOpened) {
  const auto blob = make();
  const auto map = dir_ / PartialBlob::map_name(digest_);
  std::filesystem::rename(map, dir_ / "map");
  std::filesystem::create_symlink("map", map);
  const auto made = PartialBlob::make(dir_.path(), {.blob = digest_, .size = bytes_.size()});
  ASSERT_FALSE(made);
  EXPECT_TRUE(made.error().is(ELOOP)) << made.error().message();
  EXPECT_TRUE(std::filesystem::is_symlink(map));
}

class LazySourceTest : public PartialBlobTest {
 protected:
  std::shared_ptr<test::FakeFetcher> fetcher_ = std::make_shared<test::FakeFetcher>(bytes_);
  std::shared_ptr<LazySource> source_ = std::make_shared<LazySource>(make(), fetcher_);

  void expect_bytes(std::uint64_t offset, std::size_t length) {
    std::vector<std::byte> into(length);
    const auto got = source_->pread(into, offset);
    ASSERT_TRUE(got) << got.error().message();
    const auto expected = std::span(bytes_).subspan(offset, std::min<std::size_t>(length, bytes_.size() - offset));
    ASSERT_EQ(*got, expected.size());
    EXPECT_TRUE(std::ranges::equal(std::span(into).first(*got), expected));
  }
};

TEST_F(LazySourceTest, AsksForWhatIsMissingInOnePieceAndOnce) {
  expect_bytes(10, 5);
  expect_bytes(kBlock - 1, 2);
  expect_bytes(0, 2 * kBlock);
  expect_bytes(bytes_.size() - 3, 100);
  using Asked = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
  EXPECT_EQ(fetcher_->asked, (Asked{{0, 1}, {1, 2}, {3, 4}}));
  ASSERT_TRUE(source_->bring(0, bytes_.size()));
  EXPECT_EQ(fetcher_->asked.size(), 4u);
  EXPECT_EQ(fetcher_->asked.back(), (Asked::value_type{2, 3}));
  expect_bytes(0, bytes_.size() + 7);
  EXPECT_EQ(fetcher_->asked.size(), 4u);
}

TEST_F(LazySourceTest, ReadsWhatIsHereWithNobodyToAskAndAnswersEioForTheRest) {
  expect_bytes(0, 10);
  fetcher_->fails = true;
  expect_bytes(100, kBlock - 100);
  std::vector<std::byte> into(2 * kBlock, std::byte{42});
  const auto got = source_->pread(into, 0);
  ASSERT_FALSE(got);
  EXPECT_TRUE(got.error().is(EIO));
  EXPECT_TRUE(source_->bring(kBlock, 1).error().is(EIO));
}

TEST_F(LazySourceTest, FetchesATornBlockAgain) {
  expect_bytes(0, 10);
  auto content = dir_.read(PartialBlob::data_name(digest_));
  content[5] ^= 1;
  dir_.write(PartialBlob::data_name(digest_), content, 0600);
  source_ = std::make_shared<LazySource>(*PartialBlob::open(dir_.path(), digest_), fetcher_);
  expect_bytes(0, 10);
  EXPECT_EQ(fetcher_->asked.size(), 2u);
}

TEST_F(LazySourceTest, BorrowsWhatTheDiskHasNoRoomFor) {
  expect_bytes(0, 10);
  fetcher_->is_full = true;
  expect_bytes(5, 2 * kBlock);
  EXPECT_EQ(fetcher_->lent, (std::vector<std::uint64_t>{1, 2})) << "what is on the disk is read there";
  expect_bytes(bytes_.size() - 3, 3);
  EXPECT_EQ(source_->fetched().lent, kBlock + 5 + 3);
  EXPECT_TRUE(source_->bring(0, bytes_.size())) << "it is to be had, when it is read";
  fetcher_->fails = true;
  std::vector<std::byte> into(2 * kBlock);
  EXPECT_TRUE(source_->pread(into, 0).error().is(EIO));

  fetcher_->fails = fetcher_->is_full = false;
  expect_bytes(0, bytes_.size());
  EXPECT_EQ(fetcher_->lent.size(), 3u);
  EXPECT_EQ(*source_->blob().present_bytes(), bytes_.size()) << "when there is room again it is kept";
}

TEST_F(LazySourceTest, ReadsNothingMoreByAForeignIndexOfABlobThatWasCondemned) {
  expect_bytes(0, 10);
  ASSERT_TRUE((*PartialBlob::open(dir_.path(), digest_))->condemn());
  std::vector<std::byte> into(10);
  EXPECT_TRUE(source_->pread(into, 0)) << "our own index is right";
  const LazySource foreign(*PartialBlob::open(dir_.path(), digest_), fetcher_, ShownBy::word_of_others);
  EXPECT_TRUE(foreign.pread(into, 0).error().is(EIO));
}

}  // namespace
}  // namespace acetate
