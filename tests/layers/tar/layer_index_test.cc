// The index on disk: what it answers, and that no byte of it is believed blindly.
#include "layers/tar/layer_index.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "base/hash.h"
#include "base/log.h"
#include "layers/stream/seekable.h"
#include "layers/tar/tar_layer.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/layers/tar/resigned.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tar/tar_maker.h"

namespace acetate::test {
namespace {

// A bit of everything, so that every section has something in it.
std::string sample() {
  TarMaker tar;
  tar.dir("d").file("d/a", "first").hardlink("d/b", "d/a").symlink("s", "d/a").file(".wh.gone", "");
  tar.hardlink("below", "usr/below").pax({{"SCHILY.xattr.user.x", "value"}}).file("x", "with xattr");
  tar.file("d/.wh..wh..opq", "").header({.name = "dev", .type = '3', .major = 1, .minor = 5});
  tar.pax({{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.name", "sparse"},
           {"GNU.sparse.realsize", "2000"}});
  std::string stored = "1\n1000\n4\n";
  stored.resize(512);
  tar.file("GNUSparseFile.0/sparse", stored + "data");
  return tar.end();
}

// Reads everything an index leads to; what a damaged one leads to is of no interest here, only that it ends.
std::string read_all(LayerIndexPtr index, const std::string& packed) {
  auto plain = seekable_source({.packed = source_of(packed), .format = index->facts().format,
                                .plain_size = index->facts().plain_bytes,
                                .checkpoints = LayerIndex::checkpoints(index)});
  if (!plain) return "!" + words(plain);
  const LayerPtr layer = make_tar_layer(index, *std::move(plain));
  (void)layer->lookup(layer->root(), "no such name");
  return listing_of(*layer);
}

class Quiet : public ::testing::Test {
 protected:
  void SetUp() override {
    log::set_sink([](log::Level, std::string_view) {});
  }
  void TearDown() override { log::set_sink({}); }
};

using LayerIndexDamage = Quiet;

TEST_F(LayerIndexDamage, AnyFlippedBitOfASmallIndexIsNoticedAtOpen) {
  const std::string packed(as_text(gzip_of(bytes_of(sample()))));
  Digest blob;
  const std::string good = index_bytes(packed, &blob);
  ASSERT_TRUE(index_from(good, blob)) << words(index_from(good, blob));

  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= static_cast<char>(1U << (i % 8));
    EXPECT_TRUE(index_from(bad, blob).error().is(EBADMSG)) << "byte " << i;
  }
  for (std::size_t size = 0; size < good.size(); size += 61)
    EXPECT_TRUE(index_from(good.substr(0, size), blob).error().is(EBADMSG)) << size;
  EXPECT_TRUE(index_from(good + "x", blob).error().is(EBADMSG));
  EXPECT_TRUE(index_from(good, Digest::of("another blob")).error().is(EBADMSG));
}

TEST_F(LayerIndexDamage, AnotherVersionIsNoDamage) {
  Digest blob;
  std::string other = index_bytes(sample(), &blob);
  other[offsetof(lix::Header, major)] = static_cast<char>(lix::kMajor + 1);
  EXPECT_TRUE(index_from(signed_again(other), blob).error().is(ENOTSUP));
}

TEST_F(LayerIndexDamage, HostileBytesWithRightChecksumsAreAtMostAnError) {
  const std::string packed(as_text(gzip_of(bytes_of(sample()))));
  Digest blob;
  const std::string good = index_bytes(packed, &blob);
  ASSERT_EQ(signed_again(good), good);
  const std::string expected = read_all(*index_from(good, blob), packed);
  constexpr std::uint64_t kSeed = 20;
  std::mt19937_64 random(kSeed);
  SCOPED_TRACE(kSeed);

  int opened = 0, same = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string bad = good;
    const int changes = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < changes; ++i) {
      // The header's reserved space is of no interest; every other byte is.
      const std::size_t at = round % 4 == 0 ? random() % 700 : lix::kHeaderBytes + random() % (good.size() - lix::kHeaderBytes);
      const std::uint8_t value[] = {0, 1, 0x7f, 0x80, 0xff, static_cast<std::uint8_t>(random())};
      bad[at] = static_cast<char>(value[random() % std::size(value)]);
    }
    const auto index = index_from(signed_again(bad), blob);
    if (!index) continue;
    ++opened;
    if (read_all(*index, packed) == expected) ++same;
  }

  EXPECT_GT(opened, 500);
  EXPECT_LT(same, opened);
}

TEST(LayerIndex, FindsEveryNameAndNoOther) {
  TarMaker tar;
  for (int i = 0; i < 3000; ++i) tar.file(fmt::format("d{}/n{}", i % 50, i), "");
  Digest blob;
  const auto index = *index_from(index_bytes(tar.end(), &blob), blob);

  for (int i = 0; i < 3000; ++i) {
    const auto dir = index->lookup(LayerIndex::kRoot, fmt::format("d{}", i % 50));
    ASSERT_TRUE(dir);
    EXPECT_TRUE(index->lookup(dir->number, fmt::format("n{}", i))) << i;
    EXPECT_TRUE(index->lookup(dir->number, fmt::format("n{}", i + 1)).error().is(ENOENT)) << i;
  }
  EXPECT_TRUE(index->lookup(LayerIndex::kRoot, "").error().is(ENOENT));
}

TEST(LayerIndex, ListsInByteOrderAndAlwaysWritesTheSameBytes) {
  const std::string tar = TarMaker().file("b", "").file("\xff", "").file("B", "").file("a", "").file("ab", "").end();
  Digest blob;
  const std::string bytes = index_bytes(tar, &blob);
  const auto index = *index_from(bytes, blob);

  std::string names;
  ASSERT_TRUE(index->list(LayerIndex::kRoot, [&](const LayerIndex::Listed& entry) {
    names += std::string(entry.name) + " ";
    return true;
  }));

  EXPECT_EQ(names, "B a ab b \xff ");
  EXPECT_EQ(index_bytes(tar, &blob), bytes);
}

TEST(LayerIndex, DamageInALargeIndexIsFoundAtTheFirstTouch) {
  TarMaker tar;
  for (int i = 0; i < 12000; ++i) tar.file(fmt::format("a-name-that-takes-some-room-{}", i), "");
  Digest blob;
  std::string bytes = index_bytes(tar.end(), &blob);
  ASSERT_GT(bytes.size(), IndexFile::kVerifiedWhole);
  std::string said;
  log::set_sink([&](log::Level, std::string_view line) { said += line; });
  bytes[lix::kHeaderBytes + 64 * 8000] ^= 1;  // an inode in the middle

  EXPECT_TRUE(index_from(bytes, blob, bytes.size()).error().is(EBADMSG)) << "verified whole";
  const auto index = index_from(bytes, blob);
  ASSERT_TRUE(index) << words(index);
  EXPECT_TRUE((*index)->inode(0));
  EXPECT_TRUE((*index)->inode(8000).error().is(EIO));
  EXPECT_TRUE((*index)->inode(8001).error().is(EIO));

  log::set_sink({});
  EXPECT_NE(said.find("is damaged"), std::string::npos);
  EXPECT_EQ(said.find("is damaged"), said.rfind("is damaged")) << "said once";
}

// Windows are for decoding, and the most of an index: to look at them for each place costs a start more than all else that is read of it.
TEST(LayerIndex, WhereSpansLieIsKnownWithoutTheirWindows) {
  // Of noise, whose windows are as large when they are packed.
  TarMaker tar;
  const Bytes noise = noise_bytes(12 << 20, 7);
  tar.file("noise", as_text(std::span(noise)));
  const std::string packed(as_text(gzip_of(bytes_of(tar.end()))));
  Digest blob;
  std::string bytes = index_bytes(packed, &blob);
  log::set_sink([](log::Level, std::string_view) {});
  {
    const auto whole = *index_from(bytes, blob, 0);
    const auto table = LayerIndex::checkpoints(whole);
    ASSERT_GT(table->count(), 4U);
    const auto view = *table->at(table->count() / 2);
    ASSERT_GT(view.window.size(), lix::kGroupBytes / 4) << "the test wants a window to damage";
  }
  lix::Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  for (const lix::SectionRecord& section : std::span(header.sections).first(header.section_count))
    if (section.id == static_cast<std::uint32_t>(lix::SectionId::windows))
      for (std::uint64_t at = section.offset + lix::kGroupBytes; at + lix::kGroupBytes < section.offset + section.length; at += lix::kGroupBytes) bytes[at] ^= 1;

  const auto index = *index_from(bytes, blob, 0);
  const auto table = LayerIndex::checkpoints(index);
  for (std::size_t i = 0; i < table->count(); ++i) {
    const auto mark = table->mark(i);
    ASSERT_TRUE(mark) << words(mark);
    EXPECT_EQ(*find_span(*table, mark->plain_offset), i);
  }
  EXPECT_TRUE(table->at(table->count() / 2).error().is(EIO));
  log::set_sink({});
}

}  // namespace
}  // namespace acetate::test
