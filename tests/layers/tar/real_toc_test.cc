// Layers whose tables of contents were made by the programs that people make them with (tests/data/toc): each shows the tree of the
// tar that went in, by its table and by its own tar, and nothing is found between the two. What cannot be believed is refused in words.
#include <gtest/gtest.h>

#include <fstream>
#include <optional>
#include <sstream>

#include "base/digest.h"
#include "layers/tar/toc_layer.h"
#include "layers/tar/toc_names.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tar/tar_maker.h"

namespace acetate::test {
namespace {

std::string data(const std::string& name) {
  std::ifstream in(std::string(ACETATE_TEST_DATA) + "/toc/" + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

// Without what only the maker of a table puts into its tar.
std::string without_toc_names(const std::string& listing) {
  std::istringstream in(listing);
  std::string out;
  for (std::string line; std::getline(in, line);)
    if (!is_toc_name(line.substr(0, line.find(' ')))) out += line + "\n";
  return out;
}

struct Real {
  const char* file;
  Format format;
  const char* digest;  // as the program told it for the manifest
};

class RealToc : public ::testing::TestWithParam<Real> {};

TEST_P(RealToc, TellsTheTreeThatWasPacked) {
  const std::string expected = without_toc_names(listing_of(*made(data("layer.tar.gz"))));
  ASSERT_NE(expected.find("d/text 0 100644 1000:70000 68890 "), std::string::npos) << expected;
  const std::string blob = data(GetParam().file);
  const SourcePtr source = source_of(blob);
  const auto place = find_toc(*source);
  ASSERT_TRUE(place && *place) << words(place);
  EXPECT_EQ((*place)->format, GetParam().format);

  const auto toc = toc_layer(source, **place, {.digest = *Digest::parse(GetParam().digest)});

  ASSERT_TRUE(toc) << words(toc);
  const LayerPtr tar = made(blob);
  EXPECT_EQ(without_toc_names(listing_of(*tar)), expected);
  EXPECT_EQ(listing_of(*toc->layer), expected);
  EXPECT_EQ(words(same_tree(*toc->layer, *tar)), "nothing");
}

INSTANTIATE_TEST_SUITE_P(
    Of, RealToc,
    ::testing::Values(
        Real{"estargz-0.12.tar.gz", Format::gzip, "sha256:5920c94b38f252b61fa7a6c9a463e939c4469c802d7c412a7c04e76332b12ac9"},
        Real{"estargz-2026-packed.tar.gz", Format::gzip, "sha256:45fb9deafe5031ed6988890ff786c1eecb54836240a5ca024e850b43076d86b1"},
        Real{"stargz-zstdchunked-0.12.tar.zst", Format::zstd, "sha256:18ae8c460860f929197f4ee8e2b1649f95d9ecc579d21b89bdc65105613d2bfa"},
        Real{"stargz-zstdchunked-2026.tar.zst", Format::zstd, "sha256:f4c6c8c65d60d7c49b43dade481d8ef9fceb98aec3513524deafa49571d681c6"},
        Real{"storage-1.43.tar.zst", Format::zstd, "sha256:1f1ab9c7dff5d91279c89243a1a74601239a2ca1840a709ab4b6fbba9a7efb05"},
        Real{"storage-2025.tar.zst", Format::zstd, "sha256:306bd2fef9eb7020d56856c0a82ad4302edc5df03e8c138164d602f501328431"}),
    [](const auto& one) {
      std::string name = one.param.file;
      std::erase_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; });
      return name;
    });

// Nobody can be held to what it says: tables had no digests of chunks in 2019.
TEST(RealToc, OfTheFirstKindIsRefusedInWordsAndTheLayerIsNot) {
  const std::string blob = data("stargz-crfs-2019.tar.gz");
  const SourcePtr source = source_of(blob);
  const auto place = find_toc(*source);
  ASSERT_TRUE(place && *place) << words(place);
  EXPECT_NE(words(toc_layer(source, **place)).find("'d/text': a chunk has no digest"), std::string::npos);
  EXPECT_EQ(without_toc_names(listing_of(*made(blob))), without_toc_names(listing_of(*made(data("layer.tar.gz")))));
}

TEST(RealToc, ThatLiesOutsideTheLayerIsRefusedInWordsAndTheLayerIsNot) {
  const std::string blob = data("estargz-2026-external.tar.gz");
  const auto found = find_toc(*source_of(blob));
  ASSERT_FALSE(found);
  EXPECT_TRUE(found.error().is(ENOTSUP));
  EXPECT_NE(words(found).find("outside the layer"), std::string::npos) << words(found);
  EXPECT_EQ(without_toc_names(listing_of(*made(blob))), without_toc_names(listing_of(*made(data("layer.tar.gz")))));
}

}  // namespace
}  // namespace acetate::test
