#include "builder/tree_hasher.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <random>

#include "builder/hash_file.h"
#include "layers/memory_layer.h"
#include "layers/stack.h"

namespace acetate::build {
namespace {

LayerPtr layer(std::vector<MemoryEntry> entries) { return *make_memory_layer(std::move(entries)); }

// Layers, bottom first.
class Tree {
 public:
  explicit Tree(std::vector<LayerPtr> layers) : layers_(std::move(layers)) {}

  Digest at_once() { return hash(layers_.size(), std::nullopt, {}); }
  // What the first `below` layers are is taken from what was learned of them.
  Digest upon(std::size_t below) {
    hash(below, std::nullopt, {});
    const DigestList list = DigestList::of(learned_, "test");
    Paths changed;
    for (std::size_t n = below; n < layers_.size(); ++n) EXPECT_TRUE(add_changed(*layers_[n], {}, changed));
    return hash(layers_.size(), DigestList::parse(list.text(), "test"), changed);
  }
  PathDigests learned() const { return learned_; }
  std::size_t read() const { return read_; }

 private:
  Digest hash(std::size_t count, std::optional<DigestList> list, const Paths& changed) {
    const LayerPtr tree = *make_stack({layers_.rbegin() + static_cast<std::ptrdiff_t>(layers_.size() - count), layers_.rend()});
    read_ = 0;
    const auto content = [&](const std::string&, Node node) { return ++read_, hash_file(**tree->open(node)); };
    TreeHasher hasher(*tree, list ? std::optional(TreeBelow{*list, changed}) : std::nullopt, content, {});
    const auto digest = hasher.run();
    EXPECT_TRUE(digest) << digest.error().message();
    learned_ = hasher.learned();
    return *digest;
  }
  std::vector<LayerPtr> layers_;
  PathDigests learned_;
  std::size_t read_ = 0;
};

MemoryEntry link_to(std::string path, std::string target) { return {.path = std::move(path), .attr = {.mode = S_IFREG | 0644}, .hardlink_to = std::move(target)}; }

TEST(TreeHasher, ReadsNothingOfWhatIsBelowAndUnchanged) {
  Tree tree({layer({memory_file("usr/lib/a", "1"), memory_file("usr/lib/b", "2"), memory_file("etc/c", "3")}), layer({memory_file("srv/d", "4")})});

  const Digest upon = tree.upon(1);

  EXPECT_EQ(tree.read(), 1U);
  EXPECT_EQ(upon, tree.at_once());
}

TEST(TreeHasher, SeesWhatALayerHidesAndReplaces) {
  const auto base = [] {
    return layer({memory_file("a/x/f", "1"), memory_file("a/y/g", "2"), memory_file("b/f", "3"), link_to("b/again", "b/f"), link_to("c/again", "b/f"), memory_file("d/e/h", "4")});
  };
  MemoryEntry opaque = memory_dir("a");
  opaque.marker = Marker::opaque;
  for (const std::vector<MemoryEntry>& above : std::initializer_list<std::vector<MemoryEntry>>{
           {memory_whiteout("a/x")}, {memory_whiteout("a")}, {opaque}, {opaque, memory_dir("a/x")}, {memory_file("a", "now a file")}, {memory_file("a/x", "now a file")},
           {memory_dir("d", 0700)}, {memory_symlink("d/e", "/a")}, {memory_whiteout("b/f")}, {memory_file("b/f", "3")}, {memory_whiteout("b/f"), memory_whiteout("b/again")},
           {memory_file("a/x/f", "1")}, {memory_file("new/b/f", "3")}}) {
    Tree tree({base(), layer(above)});
    const Digest upon = tree.upon(1);
    const PathDigests learned = tree.learned();
    EXPECT_EQ(upon, tree.at_once()) << above.front().path;
    EXPECT_EQ(learned, tree.learned()) << above.front().path;
  }
}

TEST(TreeHasher, TellsOneFileOfTwoNamesFromTwoFiles) {
  Tree one({layer({memory_file("a/f", "1"), link_to("b/g", "a/f")})}), two({layer({memory_file("a/f", "1"), memory_file("b/g", "1")})});
  EXPECT_NE(one.at_once(), two.at_once());

  // Two pairs, and one of four.
  const LayerPtr pair = layer({memory_file("a/f", "1"), link_to("b/g", "a/f")}), others = layer({memory_file("c/f", "1"), link_to("d/g", "c/f")});
  Tree pairs({pair, others}), four({layer({memory_file("a/f", "1"), link_to("b/g", "a/f"), link_to("c/f", "a/f"), link_to("d/g", "a/f")})});
  EXPECT_NE(pairs.upon(1), four.at_once());
}

TEST(TreeHasher, ComesToTheSameUponAnyOfManyLayers) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto below = [&](unsigned limit) { return std::uniform_int_distribution<unsigned>(0, limit - 1)(random); };
  const auto path = [&] {
    std::string text(1, static_cast<char>('a' + below(3)));
    for (unsigned deeper = below(4); deeper > 0; --deeper) (text += '/') += static_cast<char>('a' + below(3));
    return text;
  };
  std::set<Digest> seen;
  for (int turn = 0; turn < 300; ++turn) {
    std::vector<LayerPtr> layers;
    while (layers.size() < 4) {
      std::vector<MemoryEntry> entries;
      for (unsigned n = below(12); n > 0; --n) {
        MemoryEntry entry;
        switch (below(5)) {
          case 0: entry = memory_dir(path(), below(2) == 0 ? 0755 : 0700); break;
          case 1: entry = memory_dir(path()); entry.marker = Marker::opaque; break;
          case 2: entry = memory_whiteout(path()); break;
          case 3: entry = entries.empty() ? memory_symlink(path(), "x") : link_to(path(), entries.front().path); break;
          default: entry = memory_file(path(), std::string(1, static_cast<char>('0' + below(3))));
        }
        entries.push_back(entry);
        // What cannot be (a name below a file, a link to nothing) is left out.
        if (!make_memory_layer(entries)) entries.pop_back();
      }
      layers.push_back(layer(entries));
    }
    Tree tree(layers);
    const Digest whole = tree.at_once();
    const PathDigests learned = tree.learned();
    seen.insert(whole);
    for (std::size_t n = 1; n <= layers.size(); ++n) {
      EXPECT_EQ(tree.upon(n), whole) << "turn " << turn << ", upon " << n;
      EXPECT_EQ(tree.learned(), learned) << "turn " << turn << ", upon " << n;
    }
  }
  EXPECT_GT(seen.size(), 200U);
}

TEST(DigestList, IsNoneOnceItIsDamagedOrOfAnotherVersion) {
  const DigestList list = DigestList::of({{"", Digest::of("root")}, {"a b", std::nullopt}, {"b", Digest::of("b")}}, "1");
  std::string damaged = list.text();
  damaged[10] = damaged[10] == '0' ? '1' : '0';

  const auto same = DigestList::parse(list.text(), "1");
  ASSERT_TRUE(same);
  EXPECT_EQ(same->find("")->hex, Digest::of("root").hex());
  EXPECT_EQ(same->find("a b")->hex, "");
  EXPECT_EQ(same->find("a"), nullptr);
  EXPECT_FALSE(DigestList::parse(list.text(), "2"));
  EXPECT_FALSE(DigestList::parse(damaged, "1"));
  EXPECT_FALSE(DigestList::parse(list.text().substr(1), "1"));
  EXPECT_FALSE(DigestList::parse("", "1"));
}

}  // namespace
}  // namespace acetate::build
