#include "builder/squash.h"

#include <gtest/gtest.h>

#include <random>

#include "builder/base_state.h"
#include "builder/layer_file.h"
#include "layers/memory_layer.h"
#include "layers/stack.h"
#include "tests/builder/cache_fixture.h"
#include "tests/layers/tree.h"

namespace acetate::build {
namespace {

class SquashTest : public CacheTest {
 protected:
  void add(std::vector<MemoryEntry> entries) {
    const LayerPtr layer = *make_memory_layer(std::move(entries));
    const LayerPtr below = *layers_.tree(state_);
    const auto file = *LayerFile::begin(cache_);
    ASSERT_TRUE(read_upper(layer, below.get(), [&](const DeltaOp& op, const FileView* content) { return file->add(op, content); }));
    state_.push(cached_stage_layer(*file->commit(), cache_));
    state_.config.history.push_back({.created_by = "a step"});
  }
  void base_ends_here() { state_.base_layers = state_.layers.size(); }

  // The tree before and after, and the layers there are then.
  std::size_t squashed() {
    const test::Tree before = test::tree_of(**layers_.tree(state_));
    const auto after = squash(state_, layers_, cache_);
    EXPECT_TRUE(after) << after.error().message();
    if (!after) return 0;
    EXPECT_EQ(test::tree_of(**layers_.tree(*after)), before);
    EXPECT_EQ(after->layers.size(), after->config.diff_ids.size());
    last_ = *after;
    return after->layers.size();
  }
  test::Tree top() { return test::tree_of(**layers_.open(last_.layers.back().spec, last_.layers.back().diff_id)); }

  Cache cache_ = open();
  LayerOpener layers_{dir_ / "index"};
  StageState state_, last_;
};

TEST_F(SquashTest, LeavesOutWhatALaterStepRemoved) {
  add({memory_file("base", "1")});
  base_ends_here();
  add({memory_file("secret", "x"), memory_file("kept", "1")});
  add({memory_whiteout("secret"), memory_file("kept", "2")});
  EXPECT_EQ(squashed(), 2U);
  EXPECT_EQ(top(), (test::Tree{{"kept", "file 2"}}));
  EXPECT_EQ(last_.config.history.size(), 4U);
  EXPECT_TRUE(last_.config.history[2].empty_layer);
  EXPECT_FALSE(last_.config.history[0].empty_layer) << "the base's";
  EXPECT_FALSE(last_.config.history[3].empty_layer);
}

TEST_F(SquashTest, BelievesNoRecordWithoutALayer) {
  add({memory_file("base", "1")});
  base_ends_here();
  add({memory_file("a", "1")});
  add({memory_file("b", "1")});
  KeyInputs inputs;
  inputs.add("step", "squash");
  inputs.add("the layers", state_.chain().str());
  inputs.add("of these the base's", "1");
  ASSERT_TRUE(cache_.put(inputs.digest(), Record{.clock = 1}));
  EXPECT_EQ(squashed(), 2U);
  EXPECT_TRUE((*cache_.find(inputs.digest()))->layer) << "and it was the record that squashing looks for";
}

TEST_F(SquashTest, HidesWhatTheBaseHas) {
  add({memory_file("d/one", "1"), memory_file("d/two", "2"), memory_file("gone", "3")});
  base_ends_here();
  add({memory_whiteout("d"), memory_whiteout("gone")});
  add({memory_file("d/three", "3")});
  EXPECT_EQ(squashed(), 2U);
}

TEST_F(SquashTest, GivesTheSameBytesEachTimeAndDoesNothingToOneLayer) {
  add({memory_file("base", "1")});
  base_ends_here();
  add({memory_file("a", "1")});
  EXPECT_EQ(squashed(), 2U);
  EXPECT_EQ(last_.layers.back().diff_id, state_.layers.back().diff_id);
  add({memory_file("b", "1")});
  squashed();
  const Digest first = last_.layers.back().diff_id;
  squashed();
  EXPECT_EQ(last_.layers.back().diff_id, first);
}

TEST_F(SquashTest, ShowsTheSameTreeWhateverTheStepsDid) {
  const unsigned seed = std::random_device()();
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto pick = [&](unsigned below) { return std::uniform_int_distribution<unsigned>(0, below - 1)(random); };
  for (int round = 0; round < 30 && !HasFailure(); ++round) {
    state_ = {};
    for (int layer = 0; layer < 6; ++layer) {
      if (layer == 2) base_ends_here();
      // Names of one letter, up to three deep; a name that is a file cannot hold others in the same layer.
      std::map<std::string, MemoryEntry> entries;
      for (int n = 0; n < 8; ++n) {
        std::string path(1, static_cast<char>('a' + pick(3)));
        for (unsigned depth = pick(3); depth > 0; --depth) path += "/" + std::string(1, static_cast<char>('a' + pick(3)));
        bool fits = true;
        for (const auto& [other, entry] : entries)
          if (path == other || path.starts_with(other + "/") || other.starts_with(path + "/")) fits = false;
        if (!fits) continue;
        switch (pick(5)) {
          case 0: entries[path] = memory_whiteout(path); break;
          case 1: entries[path] = memory_dir(path, pick(2) == 0 ? 0700 : 0755); break;
          case 2: entries[path] = memory_symlink(path, std::to_string(pick(9))); break;
          case 3: {
            MemoryEntry dir = memory_dir(path);
            dir.marker = Marker::opaque;
            entries[path] = dir;
            break;
          }
          default: entries[path] = memory_file(path, std::to_string(pick(1000))); break;
        }
      }
      std::vector<MemoryEntry> list;
      for (auto& [path, entry] : entries) list.push_back(std::move(entry));
      add(std::move(list));
    }
    squashed();
  }
}

}  // namespace
}  // namespace acetate::build
