// A layer that is shown while it is being fetched.
#include "layers/tar/open_lazy_tar.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <random>

#include "base/bytes.h"
#include "layers/stream/read_ahead.h"
#include "layers/tar/check_shown.h"
#include "layers/tar/foreign_index.h"
#include "tests/layers/stream/fake_fetcher.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tar/tar_maker.h"
#include "tests/layers/tree.h"
#include "tests/support/temp_dir.h"

namespace acetate::test {
namespace {

std::string noise(std::size_t size, unsigned seed) {
  std::minstd_rand random(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

TarMaker sample() {
  TarMaker tar;
  tar.file("first", "one");
  for (unsigned i = 0; i < 6; ++i) tar.file(fmt::format("noise{}", i), noise(3 << 20, i));
  return tar.file("program", "\x7f" "ELF" + noise(5 << 20, 9), 0755).file("last", "z");
}

class OpenLazyTar : public ::testing::Test {
 protected:
  const std::string plain_ = sample().end();
  const std::vector<std::byte> packed_ = [&] {
    const auto gzip = gzip_of(as_bytes(plain_));
    return std::vector<std::byte>(gzip.begin(), gzip.end());
  }();
  const Digest blob_ = Digest::of(packed_);
  const TempDir dir_;
  const IndexStore indexes_{dir_ / "index"};
  const std::string lazy_ = dir_ / "lazy";
  std::shared_ptr<FakeFetcher> fetcher_ = std::make_shared<FakeFetcher>(packed_);

  void SetUp() override { ASSERT_TRUE(PartialBlob::make(lazy_, {.blob = blob_, .size = packed_.size()})); }

  const Digest origin_ = Digest::of("reg.example/app@1"), other_origin_ = Digest::of("evil.example/app@1");

  LazyTar tar() const { return {.dir = lazy_, .blob = blob_, .index = origin_, .fetcher = fetcher_}; }
  Result<OpenedTar> open() { return open_lazy_tar(tar(), indexes_); }
  TarScan scan() const { return *scan_tar(memory_source(packed_)); }
  void put_foreign(TarScan scan) { put_foreign(std::move(scan), origin_); }
  void put_foreign(TarScan scan, const Digest& origin) {
    scan.pass.blob = blob_;
    const TempDir elsewhere;
    const IndexStore store(elsewhere.path());
    ASSERT_TRUE(store.keep(IndexImage::build(std::move(scan))));
    std::filesystem::copy_file(store.path_of(blob_), lazy_ + "/" + foreign_index_name(blob_, origin));
  }
  // Everything as it is, and a file more.
  TarScan lie() const {
    auto other = sample();
    auto lie = *scan_tar(memory_source([&] {
      const auto gzip = gzip_of(as_bytes(other.file("evil", "", 04755).end()));
      return std::vector<std::byte>(gzip.begin(), gzip.end());
    }()));
    lie.pass.packed_size = packed_.size();
    return lie;
  }
  std::string read(const Layer& layer, const char* name, std::size_t length = 1 << 20) {
    const auto entry = layer.lookup(layer.root(), name);
    if (!entry) return "lookup: " + entry.error().message();
    const auto file = layer.open(entry->node);
    if (!file) return "open: " + file.error().message();
    std::string text(length, '\0');
    const auto got = (*file)->pread(std::as_writable_bytes(std::span(text)), 0);
    if (!got) return "read: " + got.error().message();
    return text.substr(0, *got);
  }
  // Returns when all is read ahead that was to be.
  void settle() {
    std::promise<void> done;
    ReadAhead::process().ask(this, [&] { done.set_value(); });
    done.get_future().wait();
  }
  std::uint64_t blocks_asked() const {
    std::uint64_t sum = 0;
    for (const auto& [first, end] : fetcher_->asked) sum += end - first;
    return sum;
  }
};

TEST_F(OpenLazyTar, IsIndexedOnItsWayWhereThereIsNoIndex) {
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_FALSE(opened->index_was_cached);
  EXPECT_TRUE(fetcher_->wanted_soon);
  EXPECT_EQ(tree_of(*opened->layer), tree_of(*made(plain_)));
  EXPECT_EQ(blocks_asked(), (packed_.size() + PartialBlob::kBlock - 1) / PartialBlob::kBlock);
  EXPECT_NE(indexes_.find(blob_), nullptr);
}

TEST_F(OpenLazyTar, OfABlobNamedBySha512IsVerifiedByThat) {
  const Digest named = Digest::of(packed_, Digest::Algorithm::sha512), other = Digest::of("other", Digest::Algorithm::sha512);
  for (const Digest& blob : {named, other}) ASSERT_TRUE(PartialBlob::make(lazy_, {.blob = blob, .size = packed_.size()}));
  const LazyTar tar{.dir = lazy_, .blob = named, .fetcher = fetcher_};

  const auto opened = open_lazy_tar(tar, indexes_);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->facts.blob, named);
  EXPECT_EQ(tree_of(*opened->layer), tree_of(*made(plain_)));
  const auto again = open_lazy_tar(tar, indexes_);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->index_was_cached);
  EXPECT_TRUE(open_lazy_tar({.dir = lazy_, .blob = other, .fetcher = std::make_shared<FakeFetcher>(packed_)}, indexes_).error().is(EBADMSG));
}

TEST_F(OpenLazyTar, FetchesOnlyWhatIsReadWhereThereIsOne) {
  ASSERT_TRUE(indexes_.keep(IndexImage::build(scan())));
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_TRUE(opened->index_was_cached);
  EXPECT_TRUE(fetcher_->wanted_whole);
  EXPECT_FALSE(fetcher_->wanted_soon);
  EXPECT_EQ(blocks_asked(), 0u);
  EXPECT_EQ(read(*opened->layer, "last"), "z");
  EXPECT_EQ(fetcher_->asked.size(), 1u);
  EXPECT_LT(blocks_asked(), packed_.size() / PartialBlob::kBlock / 2);
}

TEST_F(OpenLazyTar, CountsWhatReadersWaitedForAndNeeded) {
  ASSERT_TRUE(indexes_.keep(IndexImage::build(scan())));
  const auto opened = open();
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->bytes->counted().waits, 0U);
  EXPECT_EQ(opened->bytes->counted().needed_bytes, 0U);

  EXPECT_EQ(read(*opened->layer, "last"), "z");
  const auto once = opened->bytes->counted();
  EXPECT_EQ(once.waits, 1U);
  EXPECT_GT(once.waited.count(), 0);
  EXPECT_GT(once.needed_bytes, 0U);
  EXPECT_EQ(once.fetched_bytes, blocks_asked() * PartialBlob::kBlock - (PartialBlob::kBlock - packed_.size() % PartialBlob::kBlock));
  EXPECT_LE(once.needed_bytes, once.fetched_bytes);

  EXPECT_EQ(read(*opened->layer, "last"), "z");
  const auto again = opened->bytes->counted();
  EXPECT_EQ(again.waits, 1U);
  EXPECT_EQ(again.needed_bytes, once.needed_bytes);

  // No block behind the span that is read.
  EXPECT_EQ(read(*opened->layer, "first"), "one");
  const auto beginning = opened->bytes->counted();
  EXPECT_EQ(beginning.waits, 2U);
  EXPECT_EQ(beginning.needed_bytes - once.needed_bytes, beginning.fetched_bytes - once.fetched_bytes);

  // What is brought because it is a program is fetched, and not needed before it is read.
  const auto program = opened->layer->open(opened->layer->lookup(opened->layer->root(), "program")->node);
  ASSERT_TRUE(program);
  const auto whole = opened->bytes->counted();
  EXPECT_GT(whole.waits, beginning.waits);
  EXPECT_GT(whole.fetched_bytes - beginning.fetched_bytes, whole.needed_bytes - beginning.needed_bytes);
}

TEST_F(OpenLazyTar, FetchesAheadForWhoReadsOnAndNotForWhoCrossesFromOneSpanToTheNext) {
  ASSERT_TRUE(indexes_.keep(IndexImage::build(scan())));
  const auto opened = open();
  ASSERT_TRUE(opened);
  const auto ahead = [&] {
    settle();
    const auto count = opened->bytes->counted();
    return count.fetched_bytes - count.needed_bytes;
  };
  EXPECT_EQ(read(*opened->layer, "noise0", 3 << 20).size(), std::size_t{3} << 20);
  EXPECT_EQ(ahead(), 0U);
  EXPECT_EQ(read(*opened->layer, "noise1", 3 << 20).size(), std::size_t{3} << 20);
  EXPECT_GT(ahead(), 0U);
}

TEST_F(OpenLazyTar, BringsProgramsWholeWhenTheyAreOpened) {
  ASSERT_TRUE(indexes_.keep(IndexImage::build(scan())));
  const auto opened = open();
  ASSERT_TRUE(opened);
  const auto entry = opened->layer->lookup(opened->layer->root(), "program");
  ASSERT_TRUE(entry);
  const auto program = opened->layer->open(entry->node);
  ASSERT_TRUE(program) << program.error().message();
  fetcher_->fails = true;
  std::string all((*program)->size(), '\0');
  const auto got = (*program)->pread(std::as_writable_bytes(std::span(all)), 0);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_TRUE(all.substr(4) == noise(5 << 20, 9));
  EXPECT_EQ(read(*opened->layer, "noise0").substr(0, 5), "open:");
}

TEST_F(OpenLazyTar, AnswersEioForWhatIsNotWhatWasIndexed) {
  ASSERT_TRUE(indexes_.keep(IndexImage::build(scan())));
  for (std::size_t at = 100000; at < fetcher_->bytes.size(); at += 50000) fetcher_->bytes[at] ^= std::byte{1};
  const auto opened = open();
  ASSERT_TRUE(opened);
  const auto entry = opened->layer->lookup(opened->layer->root(), "noise1");
  const auto file = opened->layer->open(entry->node);
  ASSERT_FALSE(file);
  EXPECT_TRUE(file.error().is(EIO));
}

TEST_F(OpenLazyTar, ShowsByAnIndexFromElsewhereAndKeepsNothingThatIsMadeByIt) {
  put_foreign(scan());
  const MirrorStore mirrors(dir_ / "mirror", 1 << 30);
  const auto opened = open_lazy_tar(tar(), indexes_, &mirrors);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_TRUE(opened->index_is_foreign);
  EXPECT_EQ(read(*opened->layer, "first"), "one");
  EXPECT_EQ(indexes_.find(blob_), nullptr);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "mirror"));
}

TEST_F(OpenLazyTar, FindsOutAnIndexThatTellsAnotherTree) {
  const auto check = [&] { return check_shown({.dir = lazy_, .blob = blob_}, indexes_, memory_source(packed_)); };
  EXPECT_TRUE(check()) << "there is none";
  put_foreign(scan());
  EXPECT_TRUE(check());
  put_foreign(lie(), other_origin_);
  const auto checked = check();
  ASSERT_FALSE(checked);
  EXPECT_TRUE(checked.error().is(EBADMSG));
}

TEST_F(OpenLazyTar, IsShownByTheIndexOfItsOwnImageAlone) {
  put_foreign(lie(), other_origin_);
  const auto evil = open_lazy_tar({.dir = lazy_, .blob = blob_, .index = other_origin_, .fetcher = fetcher_}, indexes_);
  ASSERT_TRUE(evil && evil->index_is_foreign);
  EXPECT_TRUE(evil->layer->lookup(evil->layer->root(), "evil"));

  const auto opened = open_lazy_tar({.dir = lazy_, .blob = blob_, .fetcher = fetcher_}, indexes_);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_FALSE(opened->index_is_foreign);
  EXPECT_FALSE(opened->layer->lookup(opened->layer->root(), "evil"));
  // A lie that is found out is nothing to those who never heard of it.
  ASSERT_TRUE((*PartialBlob::open(lazy_, blob_))->condemn());
  EXPECT_EQ(read(*opened->layer, "first"), "one");
  const auto answer = read(*evil->layer, "noise5");
  EXPECT_TRUE(answer.starts_with("open:") || answer.starts_with("lookup:")) << answer.substr(0, 100);
}

TEST_F(OpenLazyTar, TakesTroubleOfItsOwnForNoLie) {
  put_foreign(scan());
  // Not the bytes that were verified: the disk's doing, or ours.
  auto other = TarMaker().file("other", "bytes").end();
  const auto bytes = std::vector<std::byte>(as_bytes(other).begin(), as_bytes(other).end());
  const auto checked = check_shown({.dir = lazy_, .blob = blob_}, indexes_, memory_source(bytes));
  ASSERT_FALSE(checked);
  EXPECT_FALSE(checked.error().is(EBADMSG)) << checked.error().message();
}

// A disk that gives the bytes back a few times and then no more.
class DyingDisk final : public ByteSource {
 public:
  DyingDisk(SourcePtr good, std::uint64_t bytes) : good_(std::move(good)), left_(bytes) {}
  std::uint64_t size() const override { return good_->size(); }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    if (left_ < into.size()) return fail(EIO, "the disk is gone");
    left_ -= into.size();
    return good_->pread(into, offset);
  }

 private:
  SourcePtr good_;
  mutable std::atomic<std::uint64_t> left_;
};

TEST_F(OpenLazyTar, TakesADyingDiskForNoLieWheneverItDies) {
  auto wrong = scan();
  ASSERT_GT(wrong.pass.checkpoints.size(), 4U);
  wrong.pass.checkpoints[4].digest = Digest::of("other");
  put_foreign(std::move(wrong));
  ASSERT_TRUE(indexes_.keep(IndexImage::build(scan())));
  const auto good = memory_source(packed_);
  for (std::uint64_t bytes = 0; bytes < packed_.size(); bytes += packed_.size() / 5) {
    const auto checked = check_shown({.dir = lazy_, .blob = blob_}, indexes_, std::make_shared<DyingDisk>(good, bytes));
    ASSERT_FALSE(checked);
    EXPECT_FALSE(checked.error().is(EBADMSG)) << bytes << ": " << checked.error().message();
  }
  const auto checked = check_shown({.dir = lazy_, .blob = blob_}, indexes_, good);
  ASSERT_FALSE(checked);
  EXPECT_TRUE(checked.error().is(EBADMSG)) << "and it is found out by a good one: " << checked.error().message();
}

TEST_F(OpenLazyTar, BelievesNoIndexThatLeavesBytesUnverified) {
  auto loose = scan();
  loose.pass.checkpoints.back().digest.reset();
  put_foreign(std::move(loose));
  const auto opened = open();
  ASSERT_TRUE(opened);
  EXPECT_FALSE(opened->index_is_foreign);
}

TEST_F(OpenLazyTar, SaysThatItIsNotTheBlobThatWasMeant) {
  fetcher_->bytes.back() ^= std::byte{1};
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().is(EBADMSG));
  EXPECT_EQ(indexes_.find(blob_), nullptr);
}

TEST_F(OpenLazyTar, IsNotThereWhereNobodyPutIt) {
  const auto opened = open_lazy_tar({.dir = lazy_, .blob = Digest::of("other"), .fetcher = fetcher_}, indexes_);
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().is(ENOENT));
}

TEST(OpenLazyPlainTar, IsAllFetchedAndProvedSinceNothingElseVerifiesIt) {
  const TempDir dir;
  const std::string tar = TarMaker().file("a", noise(200000, 1)).end();
  const auto bytes = std::vector<std::byte>(as_bytes(tar).begin(), as_bytes(tar).end());
  const IndexStore indexes(dir / "index");
  ASSERT_TRUE(indexes.keep(IndexImage::build(*scan_tar(memory_source(bytes)))));
  ASSERT_TRUE(PartialBlob::make(dir / "lazy", {.blob = Digest::of(tar), .size = tar.size()}));
  const auto fetcher = std::make_shared<FakeFetcher>(bytes);
  const LazyTar lazy{.dir = dir / "lazy", .blob = Digest::of(tar), .fetcher = fetcher};
  EXPECT_TRUE(open_lazy_tar(lazy, indexes));
  EXPECT_FALSE(fetcher->asked.empty());

  const auto partial = PartialBlob::open(dir / "lazy", Digest::of(tar));
  ASSERT_TRUE((*partial)->forget_all());
  fetcher->bytes[1000] ^= std::byte{1};
  EXPECT_FALSE(open_lazy_tar(lazy, indexes));
}

}  // namespace
}  // namespace acetate::test
