// eStargz that we write: a table that tells the tar's tree, and a tar.gz for who asks no table.
#include "layers/tar/estargz_writer.h"

#include <gtest/gtest.h>

#include "layers/tar/toc_layer.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tar/tar_maker.h"
#include "tests/layers/tar/toc_maker.h"

namespace acetate::test {
namespace {

class EstargzWriter : public ::testing::Test {
 protected:
  Result<Estargz> write(const std::string& tar, int level = 6) {
    blob_.clear();
    return write_estargz(source_of(tar), [this](std::span<const std::byte> bytes) -> Result<void> {
      blob_ += as_text(bytes);
      return {};
    }, level);
  }
  Result<TocLayer> by_table(const Estargz& made) {
    const SourcePtr source = source_of(blob_);
    const auto place = TRY(find_toc(*source));
    if (!place) return Error(ENOENT);
    return toc_layer(source, *place, {.digest = made.toc});
  }
  std::string blob_;
};

std::string sample() {
  TarMaker tar;
  tar.dir("d", 0750).file("d/a", "aaa", 0600).file("d/empty", "").file("d/block", std::string(512, 'x'));
  tar.symlink("s", "d/a").hardlink("again", "d/a").hardlink("below", "of/another/layer");
  tar.header({.name = "dev", .type = '3', .mode = 0600, .uid = 5, .gid = 6, .mtime = 1'000'000, .major = 1, .minor = 7});
  tar.header({.name = "fifo", .type = '6'});
  tar.pax({{"SCHILY.xattr.user.x", std::string("a\0b", 3)}}).file("attributes", "x");
  tar.file("d/.wh.gone", "").dir("o").file("o/.wh..wh..opq", "").file("implied/f", "f");
  tar.file("twice", "the first, which nobody sees").file("twice", "second");
  return tar.end();
}

TEST_F(EstargzWriter, TellsTheSameTreeAsTheTarItWasMadeFrom) {
  const std::string tar = sample();
  const auto written = write(tar);
  ASSERT_TRUE(written) << words(written);
  const auto toc = by_table(*written);
  ASSERT_TRUE(toc) << words(toc);
  EXPECT_EQ(words(same_tree(*toc->layer, *made(tar))), "nothing");
  EXPECT_EQ(words(same_tree(*toc->layer, *made(blob_))), "nothing");
}

TEST_F(EstargzWriter, TellsOfARootThatHasAnEntryOfItsOwn) {
  const std::string tar = TarMaker().dir(".", 0711).file("./f", "f").end();
  const auto written = write(tar);
  ASSERT_TRUE(written) << words(written);
  const auto toc = by_table(*written);
  ASSERT_TRUE(toc) << words(toc);
  EXPECT_EQ(toc->layer->attr(toc->layer->root())->mode & 07777, 0711U);
  EXPECT_EQ(words(same_tree(*toc->layer, *made(tar))), "nothing");
}

TEST_F(EstargzWriter, NamesTheTarThatIsInIt) {
  const auto written = write(sample());
  FirstPass pass = *FirstPass::open(source_of(blob_));
  const auto whole = pass.finish();
  ASSERT_TRUE(whole) << words(whole);
  EXPECT_EQ(whole->diff_id, written->diff_id);
  EXPECT_EQ(whole->plain_size, written->plain_size);
}

TEST_F(EstargzWriter, WritesTheSameBytesAgain) {
  const std::string tar = sample();
  ASSERT_TRUE(write(tar));
  const std::string first = blob_;
  ASSERT_TRUE(write(tar));
  EXPECT_EQ(blob_, first);
}

TEST_F(EstargzWriter, PacksWhatIsPackedAlready) {
  const std::string tar = sample();
  ASSERT_TRUE(write(tar));
  const std::string once = blob_;
  const auto again = write(once);
  ASSERT_TRUE(again) << words(again);
  EXPECT_EQ(words(same_tree(*by_table(*again)->layer, *made(tar))), "nothing");
}

TEST_F(EstargzWriter, CutsLargeFilesIntoChunksAndKeepsZeroesAtTheirEnd) {
  TarMaker tar;
  std::string large(9'000'000, 'y');
  for (std::size_t n = 0; n < large.size(); n += 1000) large[n] = static_cast<char>(n / 1000);
  tar.file("large", large).file("exact", std::string(std::size_t{8} << 20, 'z')).file("zeroes", std::string(5'000'000, '\0'));
  const std::string text = tar.end();
  const auto written = write(text);
  ASSERT_TRUE(written) << words(written);
  const auto toc = by_table(*written);
  ASSERT_TRUE(toc) << words(toc);
  EXPECT_EQ(words(same_tree(*toc->layer, *made(text))), "nothing");
}

// Unpacked, a tar comes in pieces that end anywhere, and what is after the last file's bytes may be zeros for the most part.
TEST_F(EstargzWriter, KeepsWhatComesAfterTheLastFileHoweverItWasPacked) {
  TarMaker tar;
  tar.file("f", "x");
  for (int n = 0; n < 3000; ++n) tar.dir("d" + std::to_string(n), 0755);
  const std::string text = tar.end();
  for (const int level : {0, 1, 9}) {
    std::string packed;
    const auto packer = gzip_packer([&](std::span<const std::byte> bytes) -> Result<void> {
      packed += as_text(bytes);
      return {};
    }, level);
    for (std::size_t at = 0; at < text.size(); at += 700) ASSERT_TRUE(packer->write(as_bytes(std::string_view(text).substr(at, 700))));
    ASSERT_TRUE(packer->finish());
    const auto written = write(packed);
    ASSERT_TRUE(written) << words(written);
    EXPECT_EQ(written->source, Digest::of(text));
    EXPECT_EQ(words(same_tree(*made(text), *made(blob_))), "nothing");
  }
}

TEST_F(EstargzWriter, RefusesNamesThatATableCannotTell) {
  TarMaker tar;
  tar.file("a\xff", "x");
  const auto written = write(tar.end());
  ASSERT_FALSE(written);
  EXPECT_TRUE(written.error().is(ENOTSUP));
}

}  // namespace
}  // namespace acetate::test
