// Layers that are shown by their table of contents while they are being fetched.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <random>
#include <thread>

#include "base/bytes.h"
#include "layers/tar/check_shown.h"
#include "layers/tar/open_lazy_tar.h"
#include "layers/tar/toc_layer.h"
#include "tests/layers/stream/fake_fetcher.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tar/toc_maker.h"
#include "tests/support/temp_dir.h"

namespace acetate::test {
namespace {

struct Packing {
  const char* name;
  Format format;
  std::size_t footer;
};

std::string noise(std::size_t size, unsigned seed) {
  std::minstd_rand random(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

class LazyToc : public ::testing::TestWithParam<Packing> {
 protected:
  static constexpr std::size_t kWhole = std::size_t{2} << 20, kChunk = std::size_t{512} << 10;

  // What has a kind of every entry, and then what takes many blocks.
  TocMaker sample() const {
    TocMaker made = toc_sample(GetParam().format);
    made.file("whole", noise(kWhole, 1), kWhole);
    made.file("chunks", noise(kWhole, 2), kChunk);
    made.file("program", "\x7f" "ELF" + noise(kWhole, 3), kChunk);
    return made;
  }
  void put(const TocMaker& made) {
    const std::string blob = TocMaker(made).end(GetParam().footer);
    bytes_ = {as_bytes(blob).begin(), as_bytes(blob).end()};
    blob_ = Digest::of(blob);
    toc_ = toc_digest(blob);
    fetcher_ = std::make_shared<FakeFetcher>(bytes_);
    ASSERT_TRUE(PartialBlob::make(lazy_, {.blob = blob_, .size = bytes_.size()}));
  }
  Result<OpenedTar> open(TocTrust trust = TocTrust::promote) {
    return open_lazy_tar({.dir = lazy_, .blob = blob_, .toc = toc_, .toc_trust = trust, .fetcher = fetcher_}, indexes_);
  }
  Result<void> check(const Digest& toc) const {
    return check_shown({.dir = lazy_, .blob = blob_, .toc = toc}, indexes_, memory_source(bytes_));
  }
  std::string read(const Layer& layer, const char* name, std::uint64_t offset, std::size_t length) {
    const auto entry = layer.lookup(layer.root(), name);
    if (!entry) return "lookup: " + entry.error().message();
    const auto file = layer.open(entry->node);
    if (!file) return "open: " + file.error().message();
    std::string text(length, '\0');
    const auto got = (*file)->pread(std::as_writable_bytes(std::span(text)), offset);
    if (!got) return "read: " + got.error().message();
    return text.substr(0, *got);
  }
  std::uint64_t blocks_asked() const {
    std::uint64_t sum = 0;
    for (const auto& [first, end] : fetcher_->asked) sum += end - first;
    return sum;
  }

  const TempDir dir_;
  const std::string lazy_ = dir_ / "lazy";
  const IndexStore indexes_{dir_ / "index"};
  std::vector<std::byte> bytes_;
  Digest blob_;
  std::optional<Digest> toc_;
  std::shared_ptr<FakeFetcher> fetcher_;
};

TEST_P(LazyToc, FetchesTheTableAndThenOnlyWhatIsRead) {
  put(sample());
  const auto opened = open();
  ASSERT_TRUE(opened) << words(opened);
  EXPECT_TRUE(opened->is_by_toc);
  EXPECT_TRUE(opened->is_lazy);
  EXPECT_TRUE(fetcher_->wanted_whole);
  EXPECT_FALSE(fetcher_->wanted_soon);
  EXPECT_EQ(opened->facts.entries, 12U);
  EXPECT_LE(blocks_asked(), 2U) << "the table, which is small, at its end";

  fetcher_->asked.clear();
  EXPECT_TRUE(read(*opened->layer, "whole", 0, kWhole) == noise(kWhole, 1));
  EXPECT_EQ(fetcher_->asked.size(), 1U) << "one chunk, one request";
  fetcher_->asked.clear();
  EXPECT_TRUE(read(*opened->layer, "chunks", kWhole - 10, 10) == noise(kWhole, 2).substr(kWhole - 10));
  EXPECT_LE(blocks_asked(), kChunk / PartialBlob::kBlock + 3) << "and nothing but that chunk";
  EXPECT_EQ(indexes_.find(blob_), nullptr);
}

TEST_P(LazyToc, CountsTheChunksThatReadersWaitedForAndNeeded) {
  put(sample());
  const auto opened = open();
  ASSERT_TRUE(opened) << words(opened);
  EXPECT_EQ(opened->bytes->counted().waits, 0U) << "nobody reads yet";
  EXPECT_EQ(opened->bytes->counted().needed_bytes, 0U);
  const auto for_the_table = opened->bytes->counted().fetched_bytes;

  read(*opened->layer, "chunks", kChunk + 10, 10);
  read(*opened->layer, "chunks", kChunk + 20, 10);
  const auto count = opened->bytes->counted();
  EXPECT_EQ(count.waits, 1U);
  EXPECT_GT(count.waited.count(), 0);
  EXPECT_GE(count.needed_bytes, kChunk);
  EXPECT_EQ(count.needed_bytes, count.fetched_bytes - for_the_table) << "the chunk, whole blocks of it";
}

TEST_P(LazyToc, BringsProgramsWholeInOneRequestWhenTheyAreOpened) {
  put(sample());
  const auto opened = open();
  ASSERT_TRUE(opened) << words(opened);
  EXPECT_EQ(read(*opened->layer, "program", 0, 4), "\x7f" "ELF");
  EXPECT_LE(fetcher_->asked.size(), 4U) << "the footer, the table, the first chunk, the rest";
  fetcher_->fails = true;
  EXPECT_TRUE(read(*opened->layer, "program", 4, kWhole) == noise(kWhole, 3));
  EXPECT_TRUE(read(*opened->layer, "whole", 0, 1).starts_with("open: "));
}

TEST_P(LazyToc, AnswersEioForAChunkThatIsNotWhatTheTableSays) {
  put(sample());
  for (std::size_t at = 500'000; at < bytes_.size() - 500'000; at += 50'000) fetcher_->bytes[at] ^= std::byte{1};
  const auto opened = open();
  ASSERT_TRUE(opened) << words(opened);
  const auto entry = opened->layer->lookup(opened->layer->root(), "chunks");
  const auto file = opened->layer->open(entry->node);
  std::byte one{};
  const auto got = file ? (*file)->pread({&one, 1}, kChunk) : Result<std::size_t>(file.error().clone());
  ASSERT_FALSE(got);
  EXPECT_TRUE(got.error().is(EIO)) << words(got);
}

TEST_P(LazyToc, IsHeldAgainstItsTarOnceAllIsHere) {
  put(sample());
  const auto honest = check(*toc_);
  EXPECT_TRUE(honest) << words(honest);
  EXPECT_NE(indexes_.find(blob_), nullptr);

  const std::pair<const char*, std::function<void(Json&)>> lies[] = {
      {"has mode 104755", [](Json& all) { all[1]["mode"] = 04755; }},
      {"'d/other' is in the table only", [](Json& all) { all[1]["name"] = "d/other"; all[7]["linkName"] = "d/other"; }},
      {"not what the table of contents says", [](Json& all) { all[1]["chunkDigest"] = digest_of("other"); }},
  };
  for (const auto& [how, lie] : lies) {
    TocMaker made = sample();
    lie(made.entries());
    put(made);
    const auto lying = check(*toc_);
    ASSERT_FALSE(lying) << how;
    EXPECT_TRUE(lying.error().is(EBADMSG)) << words(lying);
    EXPECT_NE(words(lying).find(how), std::string::npos) << words(lying);
    EXPECT_TRUE(check(Digest::of("another table"))) << "nobody was shown anything by it";
  }
}

TEST_P(LazyToc, IsEioAltogetherOnceItIsCondemned) {
  put(sample());
  const auto opened = open();
  ASSERT_TRUE(opened) << words(opened);
  const Layer& layer = *opened->layer;
  EXPECT_EQ(read(layer, "program", 0, 4), "\x7f" "ELF");
  ASSERT_TRUE((*PartialBlob::open(lazy_, blob_))->condemn());
  while (layer.lookup(layer.root(), "d")) std::this_thread::yield();
  EXPECT_TRUE(layer.list(layer.root(), [](const DirEntry&) { return true; }).error().is(EIO));
  EXPECT_TRUE(open()->layer->attr(layer.root()).error().is(EIO)) << "whoever comes later too";
}

TEST_P(LazyToc, StrictComparesBeforeItShowsAnythingAndOffLooksAtNoTable) {
  TocMaker made = sample();
  made.entries()[1]["mode"] = 04755;
  put(made);
  const auto strict = open(TocTrust::strict);
  ASSERT_FALSE(strict);
  EXPECT_NE(words(strict).find("'d/small' has mode"), std::string::npos) << words(strict);
  EXPECT_EQ(indexes_.find(blob_), nullptr);

  const auto off = open(TocTrust::off);
  ASSERT_TRUE(off) << words(off);
  EXPECT_FALSE(off->is_by_toc);
  EXPECT_NE(indexes_.find(blob_), nullptr);
}

TEST_P(LazyToc, IsReadWholeWhereTheTableIsNotTheOnePromised) {
  put(sample());
  toc_ = Digest::of("another table");
  const auto opened = open();
  ASSERT_TRUE(opened) << words(opened);
  EXPECT_FALSE(opened->is_by_toc);
  EXPECT_TRUE(fetcher_->wanted_soon);
  EXPECT_NE(indexes_.find(blob_), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Of, LazyToc,
                         ::testing::Values(Packing{"EStargz", Format::gzip, 51}, Packing{"ZstdChunked", Format::zstd, 64}),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace acetate::test
