// Layers by their table of contents: the same tree as by their tar, and every way in which the two can differ told.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "base/bytes.h"
#include "layers/tar/toc_layer.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tar/tar_maker.h"

namespace acetate::test {
namespace {

using Json = nlohmann::ordered_json;

std::string digest_of(std::string_view bytes) { return Digest::of(bytes).str(); }

// A blob as its makers write it: headers and contents in pieces, each file's content at the beginning of its own
// pieces, then the table.
class TocMaker {
 public:
  explicit TocMaker(Format format) : format_(format) {}

  void dir(const std::string& name) {
    tar_.dir(name);
    entries_.push_back({{"type", "dir"}, {"name", name + "/"}, {"mode", 0755}, {"modtime", kTime}});
  }
  void file(const std::string& name, const std::string& content, std::size_t chunk = 100'000) {
    tar_.header({.name = name, .size = content.size()});
    piece();
    for (std::size_t at = 0; at < content.size() || at == 0; at += chunk) {
      const std::string part = content.substr(at, chunk);
      Json entry{{"type", at == 0 ? "reg" : "chunk"}, {"name", name}};
      if (at == 0) entry.update({{"mode", 0644}, {"size", content.size()}, {"digest", digest_of(content)}, {"modtime", kTime}});
      if (!content.empty()) entry.update({{"offset", blob_.size()}, {"chunkOffset", at}, {"chunkDigest", digest_of(part)}});
      if (content.size() > chunk) entry["chunkSize"] = part.size();
      entries_.push_back(entry);
      if (at + chunk < content.size()) {
        put(part);
      } else {
        rest_ = part;
        rest_.resize((content.size() + 511) / 512 * 512 - at);
      }
    }
  }
  void other(const Json& entry, const TarMaker& tar) {
    piece();
    rest_ += tar.bytes();
    entries_.push_back(entry);
  }

  Json& entries() { return entries_; }
  // The whole blob; `footer` bytes of footer.
  std::string end(std::size_t footer) {
    piece();
    const std::string json = Json{{"version", 1}, {"entries", entries_}}.dump();
    if (format_ == Format::gzip) {
      const std::size_t toc = blob_.size();
      put(TarMaker().file("stargz.index.json", json).end());
      const std::string payload = fmt::format("{:016x}STARGZ", toc);
      const std::string field = footer == 47 ? payload : std::string("SG\x16\0", 4) + payload;
      append(blob_, bytes_of({"\x1f\x8b\x08\x04\0\0\0\0\0\xff", 10}));
      blob_.push_back(static_cast<std::byte>(field.size()));
      blob_.push_back(std::byte{0});
      append(blob_, bytes_of(field));
      append(blob_, bytes_of({"\x01\0\0\xff\xff\0\0\0\0\0\0\0\0", 13}));
    } else {
      put(std::string(1024, '\0'));
      const Bytes manifest = zstd_of(as_bytes(json));
      const std::size_t toc = skippable(manifest);
      ByteWriter numbers;
      for (const std::uint64_t number : {toc, manifest.size(), json.size(), std::size_t{1}}) numbers.put(number);
      if (footer == 64)
        for (int i = 0; i < 3; ++i) numbers.put(std::uint64_t{0});
      numbers.put(footer == 64 ? std::string_view("GNUlInUx") : "gnUlInUx");
      skippable({numbers.bytes().begin(), numbers.bytes().end()});
    }
    return std::string(as_text(blob_));
  }

 private:
  static constexpr const char* kTime = "1970-01-01T00:00:00Z";

  void put(const std::string& bytes) { append(blob_, format_ == Format::gzip ? gzip_of(as_bytes(bytes)) : zstd_of(as_bytes(bytes))); }
  // What was written since, as a piece of its own.
  void piece() {
    const std::string headers = tar_.bytes();
    tar_ = TarMaker();
    const std::string bytes = std::exchange(rest_, "");
    if (!bytes.empty()) put(bytes);
    if (!headers.empty()) put(headers);
  }
  std::size_t skippable(const Bytes& content) {
    append(blob_, bytes_of({"\x50\x2a\x4d\x18", 4}));
    const auto size = static_cast<std::uint32_t>(content.size());
    append(blob_, std::as_bytes(std::span(&size, 1)));
    append(blob_, content);
    return blob_.size() - content.size();
  }

  Format format_;
  Bytes blob_;
  TarMaker tar_;
  std::string rest_;
  Json entries_ = Json::array();
};

TocMaker sample(Format format) {
  TocMaker made(format);
  made.dir("d");
  made.file("d/small", "content");
  made.file("d/empty", "");
  made.file("d/big", std::string(as_text(sample_bytes(250'000, 3))));
  made.other({{"type", "symlink"}, {"name", "s"}, {"linkName", "d/small"}, {"mode", 0777}}, TarMaker().symlink("s", "d/small"));
  made.other({{"type", "hardlink"}, {"name", "h"}, {"linkName", "d/small"}}, TarMaker().hardlink("h", "d/small"));
  made.other({{"type", "hardlink"}, {"name", "below"}, {"linkName", "usr/x"}}, TarMaker().hardlink("below", "usr/x"));
  made.other({{"type", "reg"}, {"name", "d/.wh.gone"}, {"mode", 0644}}, TarMaker().file("d/.wh.gone", ""));
  made.other({{"type", "reg"}, {"name", "x"}, {"mode", 0644}, {"xattrs", {{"user.a", "dmFsdWU="}}}},
             TarMaker().pax({{"SCHILY.xattr.user.a", "value"}}).file("x", ""));
  return made;
}

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
    return toc_layer(source, *place);
  }
  // What same_tree() says of a blob.
  std::string said(const std::string& blob) {
    const auto toc = open(blob);
    if (!toc) return words(toc);
    return words(same_tree(**toc, *made(blob)));
  }
};

TEST_P(EveryToc, TellsTheTreeOfTheTar) {
  const std::string blob = sample(GetParam().format).end(GetParam().footer);
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
    TocMaker made = sample(GetParam().format);
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
      {"shares a packed piece", [](Json& all) { all[1]["innerOffset"] = 512; }},
      {"damaged", [](Json& all) { all[1]["size"] = -1; }},
      {"damaged", [](Json& all) { all.back()["xattrs"] = {{"user.a", "*"}}; }},
  };
  for (const auto& [how, change] : wrong) {
    TocMaker made = sample(GetParam().format);
    change(made.entries());
    const auto toc = open(made.end(GetParam().footer));
    ASSERT_FALSE(toc) << how;
    EXPECT_NE(words(toc).find(how), std::string::npos) << how << ": " << words(toc);
  }
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

TEST(FindToc, TakesAnyFooterForAtMostAnError) {
  std::mt19937_64 random(9);
  const std::string good[] = {sample(Format::gzip).end(51), sample(Format::zstd).end(64)};
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
