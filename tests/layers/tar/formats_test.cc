// One tarball in every packing there is: always the same layer.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <zlib.h>

#include <algorithm>
#include <random>

#include "base/bytes.h"
#include "layers/stack.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tar/tar_maker.h"

namespace acetate::test {
namespace {

// Something of every kind of entry, some of it long enough to lie in several members.
TarMaker sample() {
  TarMaker tar;
  tar.dir("d").file("d/big", std::string(200'000, 'b')).hardlink("d/link", "d/big").symlink("s", "d/big");
  tar.pax({{"SCHILY.xattr.user.x", "value"}, {"mtime", "-1.5"}}).file("x", "with xattr");
  tar.file("d/" + std::string(90, 'n'), "long name").file(".wh.gone", "").hardlink("below", "usr/below");
  tar.header({.name = "dev", .type = '3', .major = 1, .minor = 5});
  const Bytes noise = noise_bytes(150'000, 1);
  tar.file("noise", as_text(noise));
  return tar;
}

std::string packed(const Bytes& bytes) { return std::string(as_text(bytes)); }

// As estargz writes it: each entry's headers and content in members of their own, the table of contents as the
// last entry, and a footer (the layouts of stargz-snapshotter's estargz package).
std::string estargz(const std::string& headers_and_content, bool old_footer) {
  Bytes blob;
  for (std::size_t at = 0; at < headers_and_content.size(); at += 5120)
    append(blob, gzip_of(as_bytes(headers_and_content).subspan(at, std::min<std::size_t>(5120, headers_and_content.size() - at))));
  const std::size_t toc_at = blob.size();
  append(blob, gzip_of(as_bytes(TarMaker().file("stargz.index.json", R"({"version":1,"entries":[]})").end())));
  const std::string payload = fmt::format("{:016x}STARGZ", toc_at);
  Bytes footer = bytes_of({"\x1f\x8b\x08\x04\0\0\0\0\0\xff", 10});
  const std::string field = old_footer ? payload : std::string("SG\x16\0", 4) + payload;
  footer.push_back(static_cast<std::byte>(field.size()));
  footer.push_back(std::byte{0});
  append(footer, bytes_of(field));
  append(footer, bytes_of({"\x01\0\0\xff\xff\0\0\0\0\0\0\0\0", 13}));
  EXPECT_EQ(footer.size(), old_footer ? 47U : 51U);
  append(blob, footer);
  return packed(blob);
}

// As containers/storage writes zstd:chunked: frames, then skippable frames with the manifest and a footer of either
// generation.
std::string zstd_chunked(const std::string& tar, std::size_t footer_bytes) {
  Bytes blob = zstd_of(as_bytes(tar), 30'000);
  append(blob, zstd_skippable(777));
  append(blob, zstd_skippable(footer_bytes));
  return packed(blob);
}

// Frames and a table of them in a skippable one at the end (zstd's contrib/seekable_format).
std::string zstd_seekable(const std::string& tar) {
  Bytes blob;
  ByteWriter table;
  std::uint32_t frames = 0;
  for (std::size_t at = 0; at < tar.size(); at += 20'000, ++frames) {
    const auto part = as_bytes(tar).subspan(at, std::min<std::size_t>(20'000, tar.size() - at));
    const Bytes frame = zstd_of(part);
    table.put(static_cast<std::uint32_t>(frame.size()));
    table.put(static_cast<std::uint32_t>(part.size()));
    append(blob, frame);
  }
  table.put(frames);
  table.put(std::uint8_t{0});
  table.put(std::uint32_t{0x8f92eab1});
  ByteWriter skippable;
  skippable.put(std::uint32_t{0x184d2a5e});
  skippable.put(static_cast<std::uint32_t>(table.size()));
  append(blob, skippable.bytes());
  append(blob, table.bytes());
  return packed(blob);
}

TEST(EveryPacking, IsTheSameLayer) {
  const std::string tar = sample().end();
  const std::string expected = listing_of(*made(tar));
  ASSERT_EQ(expected.find('!'), std::string::npos) << expected;
  const auto plain = as_bytes(tar);
  const std::size_t sizes[] = {700, 30'000, 1, 511, 100'000};

  const std::pair<const char*, std::string> packings[] = {
      {"gzip", packed(gzip_of(plain))},
      {"gzip, stored", packed(gzip_of(plain, {.level = 0}))},
      {"gzip, fixed codes", packed(gzip_of(plain, {.strategy = Z_FIXED}))},
      {"gzip, as pigz has it", packed(gzip_of(plain, {.flush_every = 131072, .flush = Z_SYNC_FLUSH}))},
      {"gzip, members", packed(members_of(plain, sizes))},
      {"bgzip", packed(bgzip_of(plain))},
      {"zstd, one frame", packed(zstd_of(plain))},
      {"zstd, frames", packed(zstd_of(plain, 10'000))},
      {"zstd, seekable", zstd_seekable(tar)},
      {"zstd:chunked, footer of 40 bytes", zstd_chunked(tar, 40)},
      {"zstd:chunked, footer of 64 bytes", zstd_chunked(tar, 64)},
      {"xz", packed(xz_of(plain))},
      {"bzip2", packed(bzip2_of(plain))},
  };
  for (const auto& [name, bytes] : packings) EXPECT_EQ(listing_of(*made(bytes)), expected) << name;
}

TEST(EveryPacking, EStargzIsTheSameLayerAndItsTableOfContents) {
  const TarMaker tar = sample();
  const std::string expected =
      listing_of(*made(tar.bytes() + TarMaker().file("stargz.index.json", R"({"version":1,"entries":[]})").end()));
  for (const bool old_footer : {false, true}) EXPECT_EQ(listing_of(*made(estargz(tar.bytes(), old_footer))), expected);
}

TEST(EveryPacking, MembersMayEndAnywhereInAHeader) {
  const std::string tar = sample().end();
  const std::string expected = listing_of(*made(tar));
  // At each block of the first entries, and somewhere inside each.
  for (std::size_t at = 512; at < 512 * 12; at += 256) {
    Bytes blob = gzip_of(as_bytes(tar).first(at));
    append(blob, gzip_of(as_bytes(tar).subspan(at)));
    EXPECT_EQ(listing_of(*made(as_text(blob))), expected) << at;
  }
}

// What containerd, podman, docker or umoci refuse of a layer, or lose of it (each of them something else), is a
// layer here.
TEST(EdgeLayers, AreAllTaken) {
  const std::string lower = TarMaker().dir("usr").file("usr/real", "from below").dir("via-real").symlink("via", "via-real").end();
  TarMaker upper;
  upper.hardlink("usr/other-name", "usr/real");                    // a hard link to a file of a lower layer
  upper.file("twice", "first").file("twice", "second");            // one name twice: the last wins
  upper.file(".wh.both", "").dir("both").file("both/x", "x");      // whiteout and entry of one name
  upper.header({.name = "S", .type = 'S', .size = 0});             // old GNU sparse, all of it a hole
  upper.pax({{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.name", "sparse"},
             {"GNU.sparse.realsize", "2000"}});
  std::string stored = "1\n1000\n4\n";
  stored.resize(512);
  upper.file("GNUSparseFile.0/sparse", stored + "data");
  upper.file("usr/past", "").header({.name = "negative", .mtime = -5}).header({.name = "far", .mtime = 4'000'000'000});
  upper.file("via/new", "not through the symlink of a lower layer");
  upper.header({.name = "nothing", .mode = 0}).header({.name = "all", .mode = 07777});
  upper.header({.name = "null", .type = '3', .major = 1, .minor = 3});
  const LayerPtr layers[] = {made(upper.end()), made(lower)};
  const LayerPtr tree = *make_stack({layers[0], layers[1]});

  const auto text_of = [&](const char* path) {
    const auto entry = walk(*tree, *RelPath::parse(path));
    if (!entry) return "!" + words(entry);
    const auto view = *tree->open(entry->node);
    std::string text(view->size(), '\0');
    EXPECT_EQ(*view->pread(std::as_writable_bytes(std::span(text)), 0), text.size());
    return text;
  };
  EXPECT_EQ(text_of("usr/other-name"), "from below");
  EXPECT_EQ(text_of("twice"), "second");
  EXPECT_EQ(text_of("both/x"), "x");
  EXPECT_EQ(text_of("S"), "");
  EXPECT_EQ(text_of("sparse"), std::string(1000, '\0') + "data" + std::string(996, '\0'));
  const auto attr_of = [&](const char* path) { return walk(*tree, *RelPath::parse(path))->attr; };
  EXPECT_EQ(attr_of("negative").mtime.tv_sec, -5);
  EXPECT_EQ(attr_of("far").mtime.tv_sec, 4'000'000'000);
  EXPECT_TRUE(attr_of("via").is_dir());
  EXPECT_EQ(text_of("via/new"), "not through the symlink of a lower layer");
  EXPECT_TRUE(walk(*tree, *RelPath::parse("via-real/new")).error().is(ENOENT));
  EXPECT_EQ(attr_of("nothing").mode, mode_t{S_IFREG});
  EXPECT_EQ(attr_of("all").mode, mode_t{S_IFREG | 07777});
  EXPECT_EQ(attr_of("null").rdev, makedev(1, 3));
}

}  // namespace
}  // namespace acetate::test
