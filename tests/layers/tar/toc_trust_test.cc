// Layers shown by their table of contents while their tar is read, and what becomes of tables that lie.
#include "layers/tar/toc_trust.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <functional>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/mutex.h"
#include "base/sys/file.h"
#include "layers/layer_spec.h"
#include "layers/tar/open_tar.h"
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

class Trust : public ::testing::TestWithParam<Packing> {
 protected:
  Trust() {
    log::set_sink([this](log::Level, std::string_view line) {
      Lock lock(mutex_);
      log_ += line;
    });
  }
  ~Trust() override { log::set_sink({}); }

  TocMaker sample() const { return toc_sample(GetParam().format); }
  std::string end(TocMaker made) const { return made.end(GetParam().footer); }

  Result<OpenedTar> open(const std::string& blob, TocTrust trust = TocTrust::promote, const std::optional<Digest>& digest = {},
                         const std::optional<Digest>& toc = {}) {
    dir_.write("blob", blob);
    return open_tar({.file = *sys::open(dir_ / "blob", O_RDONLY), .digest = digest.value_or(Digest::of(blob)),
                     .toc = toc.value_or(toc_digest(blob)), .toc_trust = trust},
                    indexes(), IdentityCache(dir_ / "index"));
  }
  IndexStore indexes() const { return IndexStore(dir_ / "index"); }
  std::string log() {
    Lock lock(mutex_);
    return log_;
  }

  TempDir dir_;
  Mutex mutex_;
  std::string log_;
};

TEST_P(Trust, ShowsALayerByItsTableAndReadsItsTarBehindIt) {
  const std::string blob = end(sample());
  const auto opened = open(blob);
  ASSERT_TRUE(opened) << words(opened);
  EXPECT_TRUE(opened->is_by_toc);
  EXPECT_EQ(opened->facts.entries, 9U);
  const std::string shown = listing_of(*opened->layer);
  EXPECT_NE(shown.find("d/big 0 100644 0:0 250000"), std::string::npos) << shown;
  EXPECT_EQ(shown.find('!'), std::string::npos) << shown;
  EXPECT_GT(opened->bytes->counted().spans, 0U);
  while (indexes().find(Digest::of(blob)) == nullptr) std::this_thread::yield();

  const auto again = open(blob);
  ASSERT_TRUE(again) << words(again);
  EXPECT_TRUE(again->index_was_cached);
  EXPECT_FALSE(again->is_by_toc);
}

TEST_P(Trust, PoisonsALayerWhoseTableLies) {
  const std::pair<const char*, std::function<void(Json&)>> lies[] = {
      {"'d/other' is in the table only", [](Json& all) { all[1]["name"] = "d/other"; all[7]["linkName"] = "d/other"; }},
      {"has mode 104755", [](Json& all) { all[1]["mode"] = 04755; }},
      {"not what the table of contents says", [](Json& all) { all[1]["offset"] = all[3]["offset"]; }},
      {"not what the table of contents says", [](Json& all) { all[1]["chunkDigest"] = digest_of("other"); }},
      {"bytes", [](Json& all) { all[1]["size"] = 3; all[1]["chunkDigest"] = digest_of("con"); }},
      {"has other bytes", [](Json& all) {
         // True of the chunk it points at, which is not what the tar has under that name.
         all[3]["offset"] = all[4]["offset"], all[3]["chunkDigest"] = all[4]["chunkDigest"];
       }},
  };
  for (const auto& [how, lie] : lies) {
    TocMaker made = sample();
    lie(made.entries());
    const std::string blob = end(made);
    const auto opened = open(blob);
    ASSERT_TRUE(opened) << how << ": " << words(opened);
    const Layer& layer = *opened->layer;
    while (layer.lookup(layer.root(), "d")) std::this_thread::yield();

    EXPECT_TRUE(layer.lookup(layer.root(), "d").error().is(EIO)) << how;
    EXPECT_TRUE(layer.list(layer.root(), [](const DirEntry&) { return true; }).error().is(EIO)) << how;
    EXPECT_NE(log().find("is poisoned"), std::string::npos) << how << ": " << log();
    EXPECT_NE(log().find(how), std::string::npos) << how << ": " << log();
    EXPECT_EQ(indexes().find(Digest::of(blob)), nullptr) << how;
  }
}

TEST_P(Trust, PoisonsABlobThatIsNotTheOnePromised) {
  const auto opened = open(end(sample()), TocTrust::promote, Digest::of("another blob"));
  ASSERT_TRUE(opened) << words(opened);
  while (opened->layer->attr(opened->layer->root())) std::this_thread::yield();
  EXPECT_NE(log().find("and not sha256:"), std::string::npos) << log();
}

TEST_P(Trust, ReadsTheTarWhereTheTableIsNotTheOnePromised) {
  const std::string blob = end(sample());
  const auto opened = open(blob, TocTrust::promote, {}, Digest::of("another table"));
  ASSERT_TRUE(opened) << words(opened);
  EXPECT_FALSE(opened->is_by_toc);
  EXPECT_EQ(listing_of(*opened->layer), listing_of(*made(blob)));
  EXPECT_NE(log().find("not shown by its table of contents"), std::string::npos) << log();
}

TEST_P(Trust, StrictComparesBeforeItShowsAnything) {
  const std::string blob = end(sample());
  const auto honest = open(blob, TocTrust::strict);
  ASSERT_TRUE(honest) << words(honest);
  EXPECT_FALSE(honest->is_by_toc);

  TocMaker made = sample();
  made.entries()[1]["mode"] = 04755;
  const auto lying = open(end(made), TocTrust::strict);
  ASSERT_FALSE(lying);
  EXPECT_TRUE(lying.error().is(EBADMSG));
  EXPECT_NE(words(lying).find("'d/small' has mode"), std::string::npos) << words(lying);
}

TEST_P(Trust, OffLooksAtNoTable) {
  TocMaker made = sample();
  made.entries()[1]["mode"] = 04755;
  const std::string blob = end(made);
  const auto opened = open(blob, TocTrust::off);
  ASSERT_TRUE(opened) << words(opened);
  EXPECT_FALSE(opened->is_by_toc);
  EXPECT_EQ(listing_of(*opened->layer), listing_of(*test::made(blob)));
}

INSTANTIATE_TEST_SUITE_P(Of, Trust,
                         ::testing::Values(Packing{"EStargz", Format::gzip, 51}, Packing{"ZstdChunked", Format::zstd, 64}),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(TocTrust, IsNamedInWords) {
  EXPECT_EQ(*parse_toc_trust("promote"), TocTrust::promote);
  EXPECT_EQ(*parse_toc_trust("strict"), TocTrust::strict);
  EXPECT_EQ(*parse_toc_trust("off"), TocTrust::off);
  EXPECT_TRUE(parse_toc_trust("maybe").error().is(EINVAL));
}

TEST(TocTrust, GoesThroughTheNameOfALayer) {
  LayerSpec spec{.path = "/l.tar.gz", .digest = Digest::of("blob"), .toc = Digest::of("toc")};
  EXPECT_EQ(*parse_layer_spec(format_layer_spec(spec)), spec);
}

}  // namespace
}  // namespace acetate::test
