// Layers by their table of contents: the same tree as by their tar, and every way in which the two can differ told.
#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <utility>

#include "base/bytes.h"
#include "layers/tar/toc_layer.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tar/tar_maker.h"
#include "tests/layers/tar/toc_maker.h"

namespace acetate::test {
namespace {

struct Packing {
  const char* name;
  Format format;
  std::size_t footer;
};
class EveryToc : public ::testing::TestWithParam<Packing> {
 protected:
  Result<LayerPtr> open(const std::string& blob) {
    const SourcePtr source = source_of(blob);
    const auto place = TRY(find_toc(*source));
    if (!place) return Error(ENOENT);
    return TRY(toc_layer(source, *place)).layer;
  }
  // What same_tree() says of a blob.
  std::string said(const std::string& blob) {
    const auto toc = open(blob);
    if (!toc) return words(toc);
    return words(same_tree(**toc, *made(blob)));
  }
};

TEST_P(EveryToc, TellsTheTreeOfTheTar) {
  const std::string blob = toc_sample(GetParam().format).end(GetParam().footer);
  const auto place = find_toc(*source_of(blob));
  ASSERT_TRUE(place && *place) << words(place);
  EXPECT_EQ((*place)->format, GetParam().format);
  const auto toc = open(blob);
  ASSERT_TRUE(toc) << words(toc);

  EXPECT_EQ(said(blob), "nothing");
  const std::string tree = listing_of(**toc);
  EXPECT_NE(tree.find("d/big 0 100644 0:0 250000"), std::string::npos) << tree;
  EXPECT_EQ(tree.find('!'), std::string::npos) << tree;
}

TEST_P(EveryToc, ThatSaysOtherThanTheTarIsToldByTheFirstDifference) {
  const std::pair<const char*, std::function<void(Json&)>> lies[] = {
      {"'d/small' has mode", [](Json& all) { all[1]["mode"] = 04755; }},
      {"'d/small' has another owner", [](Json& all) { all[1]["uid"] = 5; }},
      {"'d/small' has another time", [](Json& all) { all[1]["modtime"] = "2020-01-01T00:00:00Z"; }},
      {"is in the table only", [](Json& all) { all.push_back({{"type", "fifo"}, {"name", "more"}}); }},
      {"is in the tar only", [](Json& all) { all.erase(6); }},
      {"'s' points elsewhere", [](Json& all) { all[6]["linkName"] = "d/other"; }},
      {"'x' has other extended attributes", [](Json& all) { all.back()["xattrs"] = Json::object(); }},
      {"not what the table of contents says", [](Json& all) { all[1]["chunkDigest"] = digest_of("other"); }},
      {"'below' links elsewhere", [](Json& all) { all[8]["linkName"] = "usr/y"; }},
  };
  for (const auto& [how, lie] : lies) {
    TocMaker made = toc_sample(GetParam().format);
    lie(made.entries());
    const std::string words = said(made.end(GetParam().footer));
    EXPECT_NE(words.find(how), std::string::npos) << how << ": " << words;
  }
}

TEST_P(EveryToc, ThatContradictsItselfIsRefused) {
  const std::pair<const char*, std::function<void(Json&)>> wrong[] = {
      {"leave a gap", [](Json& all) { all[4]["chunkOffset"] = 7; }},
      {"longer than it is", [](Json& all) { all[4]["chunkSize"] = 900'000; }},
      {"its chunks", [](Json& all) { all.erase(5); }},
      {"chunk of no file", [](Json& all) { all.insert(all.begin(), Json{{"type", "chunk"}, {"name", "n"}}); }},
      {"no digest", [](Json& all) { all[1].erase("chunkDigest"); all[1].erase("digest"); }},
      {"is not known", [](Json& all) { all[0]["type"] = "door"; }},
      {"leads out of the layer", [](Json& all) { all[0]["name"] = "../up"; }},
      {"damaged", [](Json& all) { all[1]["size"] = -1; }},
      {"damaged", [](Json& all) { all.back()["xattrs"] = {{"user.a", "*"}}; }},
  };
  for (const auto& [how, change] : wrong) {
    TocMaker made = toc_sample(GetParam().format);
    change(made.entries());
    const auto toc = open(made.end(GetParam().footer));
    ASSERT_FALSE(toc) << how;
    EXPECT_NE(words(toc).find(how), std::string::npos) << how << ": " << words(toc);
  }
}

TEST_P(EveryToc, ThatPointsAtOtherBytesGivesNone) {
  const std::pair<const char*, std::function<void(Json&)>> lies[] = {
      {"offset", [](Json& all) { all[1]["offset"] = all[3]["offset"]; }},
      {"no piece begins there", [](Json& all) { all[1]["offset"] = all[1]["offset"].get<std::uint64_t>() + 1; }},
      {"past the end", [](Json& all) { all[1]["offset"] = std::uint64_t{1} << 60; }},
      {"inner offset", [](Json& all) { all[1]["innerOffset"] = 100'000; }},
      {"longer than what is there", [](Json& all) { all[1]["size"] = 1'000'000; }},
      {"shorter", [](Json& all) { all[1]["size"] = 3; }},
  };
  for (const auto& [how, lie] : lies) {
    TocMaker made = toc_sample(GetParam().format);
    lie(made.entries());
    const auto toc = open(made.end(GetParam().footer));
    ASSERT_TRUE(toc) << how << words(toc);
    const auto dir = *(*toc)->lookup((*toc)->root(), "d");
    const auto view = *(*toc)->open((*toc)->lookup(dir.node, "small")->node);
    std::byte into[8];
    const auto got = view->pread(into, 0);
    ASSERT_FALSE(got) << how;
    EXPECT_TRUE(got.error().is(EIO)) << how << words(got);
  }
}

TEST_P(EveryToc, FindsFilesThatShareAPiece) {
  TocMaker made(GetParam().format);
  made.files_in_one_piece({"one", "another", "a third one"});
  const std::string blob = made.end(GetParam().footer);
  EXPECT_EQ(said(blob), "nothing");
}

TEST_P(EveryToc, IsOnlyReadWhenItIsTheOneThatWasPromised) {
  const std::string blob = toc_sample(GetParam().format).end(GetParam().footer);
  const auto place = **find_toc(*source_of(blob));
  EXPECT_TRUE(read_toc(source_of(blob), place, toc_digest(blob)));
  const auto other = read_toc(source_of(blob), place, Digest::of(blob));
  EXPECT_TRUE(other.error().is(EBADMSG));
  EXPECT_NE(words(other).find("its table of contents is sha256:"), std::string::npos) << words(other);
}

TEST_P(EveryToc, OfHolesShowsHoles) {
  TocMaker made(GetParam().format);
  made.file("sparse", std::string(100'000, '\0') + "data", 100'000);
  made.entries()[0]["chunkType"] = "zeros";
  const auto toc = open(made.end(GetParam().footer));
  ASSERT_TRUE(toc) << words(toc);
  const auto entry = (*toc)->lookup((*toc)->root(), "sparse");
  const auto view = *(*toc)->open(entry->node);
  EXPECT_TRUE(view->segment(0).hole);
  std::string text(100'004, 'x');
  ASSERT_EQ(*view->pread(std::as_writable_bytes(std::span(text)), 0), text.size());
  EXPECT_EQ(text, std::string(100'000, '\0') + "data");
}

INSTANTIATE_TEST_SUITE_P(Of, EveryToc,
                         ::testing::Values(Packing{"Stargz", Format::gzip, 47}, Packing{"EStargz", Format::gzip, 51},
                                           Packing{"ZstdChunkedOld", Format::zstd, 40},
                                           Packing{"ZstdChunked", Format::zstd, 64}),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(FindToc, KnowsTheFootersOfBothGenerationsByTheirBytes) {
  // What follows 200 bytes of anything: offset 16, length 100, its unpacked length, the type; then the magic.
  const std::string numbers("\x10\0\0\0\0\0\0\0\x64\0\0\0\0\0\0\0\xc8\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 32);
  const std::string older = std::string(200, 'x') + numbers + "\x47\x6e\x55\x6c\x49\x6e\x55\x78";
  const std::string newer = std::string(200, 'x') + numbers + std::string(24, '\0') + "\x47\x4e\x55\x6c\x49\x6e\x55\x78";
  for (const std::string& blob : {older, newer}) {
    const auto place = find_toc(*source_of(blob));
    ASSERT_TRUE(place && *place) << words(place);
    EXPECT_EQ((*place)->offset, 16U);
    EXPECT_EQ((*place)->length, 100U);
  }
}

TEST(FindToc, KnowsABlobWithoutOne) {
  for (const Bytes& blob : {gzip_of({}), zstd_of(sample_bytes(1000, 1)), Bytes(), Bytes(46), Bytes(512)})
    EXPECT_FALSE(find_toc(*source_of(as_text(blob)))->has_value());
}

TEST(FindToc, RefusesOneThatLiesElsewhereInWords) {
  Bytes blob = gzip_of(as_bytes(TarMaker().file("a", "b").end()));
  const std::string payload = "STARGZEXTERNALTOC";
  append(blob, bytes_of({"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x15\0SG\x11\0", 16}));
  append(blob, bytes_of(payload));
  append(blob, bytes_of({"\x01\0\0\xff\xff\0\0\0\0\0\0\0\0", 13}));
  const auto found = find_toc(*source_of(as_text(blob)));
  EXPECT_TRUE(found.error().is(ENOTSUP));
  EXPECT_NE(words(found).find("outside the layer"), std::string::npos) << words(found);
  // The layer itself is read as any other.
  EXPECT_NE(listing_of(*made(as_text(blob))).find("a 0 100644"), std::string::npos);
}

TEST(ReadToc, RefusesABombPackedOrNot) {
  const Bytes bomb = zstd_of(Bytes(kMostTocBytes + 1));
  ASSERT_LT(bomb.size(), 100'000U);
  const SourcePtr source = source_of(as_text(bomb));
  const auto unpacked = read_toc(source, {.format = Format::zstd, .offset = 0, .length = bomb.size()});
  EXPECT_TRUE(unpacked.error().is(EFBIG)) << words(unpacked);
  const auto claimed = read_toc(source, {.format = Format::gzip, .offset = 0, .length = kMostTocBytes + 1});
  EXPECT_TRUE(claimed.error().is(EFBIG)) << words(claimed);
}

TEST(FindToc, TakesAnyFooterForAtMostAnError) {
  std::mt19937_64 random(9);
  const std::string good[] = {toc_sample(Format::gzip).end(51), toc_sample(Format::zstd).end(64)};
  for (int round = 0; round < 400; ++round) {
    std::string blob = good[round % 2];
    for (int i = 0; i < 3; ++i) blob[blob.size() - 1 - random() % 200] = static_cast<char>(random());
    const SourcePtr source = source_of(blob);
    const auto place = find_toc(*source);
    if (place && *place) (void)toc_layer(source, **place);
  }
}

}  // namespace
}  // namespace acetate::test
