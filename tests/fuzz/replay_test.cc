// Every file of every corpus through its target, as it is and with some bytes changed: what a fuzzer found once is
// tried at every run, by the ordinary compiler.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/bytes.h"
#include "base/log.h"
#include "tests/fuzz/targets.h"

namespace acetate::fuzz {
namespace {

std::string content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Replay : public ::testing::TestWithParam<Target> {};

TEST_P(Replay, SurvivesItsCorpusAndSomeChangesToIt) {
  const std::filesystem::path corpus = std::filesystem::path(ACETATE_CORPUS) / GetParam().name;
  ASSERT_TRUE(std::filesystem::is_directory(corpus)) << corpus;
  log::set_sink([](log::Level, std::string_view) {});
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) files.push_back(entry.path());
  std::ranges::sort(files);
  ASSERT_FALSE(files.empty());
  constexpr std::uint64_t kSeed = 11;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  for (const auto& file : files) {
    SCOPED_TRACE(file.string());
    const std::string good = content_of(file);
    EXPECT_EQ(GetParam().run(as_bytes(good)), 0);
    for (int round = 0; round < 60 && !good.empty(); ++round) {
      std::string bad = good;
      for (int change = 0; change <= round % 4; ++change)
        bad[random() % bad.size()] = static_cast<char>(random());
      if (round % 7 == 0) bad.resize(random() % bad.size());
      EXPECT_EQ(GetParam().run(as_bytes(bad)), 0);
    }
  }
  log::set_sink({});
}

// Else its target looks at nothing.
TEST(Corpus, OfIndexesIsOfIndexes) {
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(ACETATE_CORPUS) / "layer_index"))
    EXPECT_TRUE(any_index(as_bytes(content_of(entry.path())))) << entry.path();
}

INSTANTIATE_TEST_SUITE_P(Of, Replay, ::testing::ValuesIn(kTargets),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace acetate::fuzz
