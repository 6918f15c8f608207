#include "layers/stack.h"

#include <gtest/gtest.h>

#include <thread>

#include "layers/memory_layer.h"
#include "tests/layers/tree.h"

namespace acetate {
namespace {

using test::text_of;
using test::Tree;
using test::tree_of;

LayerPtr memory(std::vector<MemoryEntry> entries) { return *make_memory_layer(std::move(entries)); }
LayerPtr stack(std::vector<LayerPtr> layers) { return *make_stack(std::move(layers)); }

MemoryEntry opaque(std::string path) {
  MemoryEntry entry = memory_dir(std::move(path));
  entry.marker = Marker::opaque;
  return entry;
}
MemoryEntry external(std::string path, std::string target) {
  MemoryEntry entry = memory_file(std::move(path), std::move(target));
  entry.marker = Marker::link_to;
  return entry;
}

Result<Entry> at(const Layer& layer, std::string_view path) { return walk(layer, *RelPath::parse(path)); }

TEST(Stack, OfNoLayersIsAnEmptyRoot) {
  auto empty = stack({});

  EXPECT_EQ(tree_of(*empty), Tree{});
  EXPECT_TRUE(empty->attr(empty->root())->is_dir());
}

TEST(Stack, OfOneLayerAppliesItsMarkers) {
  auto one =
      stack({memory({memory_whiteout("w"), opaque("d"), memory_file("d/f", "1"), external("x", "gone")})});

  EXPECT_EQ(tree_of(*one), (Tree{{"d", "dir"}, {"d/f", "file 1"}}));
  EXPECT_TRUE(at(*one, "w").error().is(ENOENT));
  EXPECT_TRUE(at(*one, "x").error().is(ENOENT));
  EXPECT_EQ(at(*one, "d")->marker, Marker::none);
}

TEST(Stack, MergesDirectoriesAndShowsTheTopmostOfEachName) {
  auto merged =
      stack({memory({memory_file("d/a", "top"), memory_dir("d", 0700)}),
             memory({memory_file("d/a", "middle"), memory_file("d/b", "middle")}),
             memory({memory_file("d/b", "bottom"), memory_file("d/c", "bottom"), memory_file("e", "")})});

  EXPECT_EQ(tree_of(*merged), (Tree{{"d", "dir"},
                                    {"d/a", "file top"},
                                    {"d/b", "file middle"},
                                    {"d/c", "file bottom"},
                                    {"e", "file "}}));
  EXPECT_EQ(at(*merged, "d")->attr.mode & 07777, 0700U);
}

TEST(Stack, HidesWhatAWhiteoutHidesAndShowsWhatComesAbove) {
  auto bottom = memory({memory_file("f", "1"), memory_file("d/x", "1"), memory_file("g", "1")});
  auto gone = memory({memory_whiteout("f"), memory_whiteout("d"), memory_whiteout("g")});
  auto back = memory({memory_file("f", "3"), memory_file("d/y", "3")});

  EXPECT_EQ(tree_of(*stack({back, gone, bottom})), (Tree{{"f", "file 3"}, {"d", "dir"}, {"d/y", "file 3"}}));
  EXPECT_EQ(tree_of(*stack({gone, bottom})), Tree{});
}

TEST(Stack, StopsAtAnOpaqueDirectoryAlsoBelowTheTop) {
  auto bottom = memory({memory_file("d/old", "")});
  auto middle = memory({opaque("d"), memory_file("d/middle", "")});
  auto top = memory({memory_file("d/top", "")});

  EXPECT_EQ(tree_of(*stack({top, middle, bottom})),
            (Tree{{"d", "dir"}, {"d/top", "file "}, {"d/middle", "file "}}));
}

TEST(Stack, TreatsADirectoryWithAWhiteoutOfItsNameAsANewOne) {
  auto top = memory({memory_whiteout("d"), memory_file("d/new", "")});

  EXPECT_EQ(tree_of(*stack({top, memory({memory_file("d/old", "")})})),
            (Tree{{"d", "dir"}, {"d/new", "file "}}));
}

TEST(Stack, HonoursAnOpaqueRoot) {
  auto top = memory({opaque(""), memory_file("new", "")});

  EXPECT_EQ(tree_of(*stack({memory({memory_file("newer", "")}), top, memory({memory_file("old", "")})})),
            (Tree{{"new", "file "}, {"newer", "file "}}));
}

TEST(Stack, LetsANonDirectoryEndTheMergeOnEitherSide) {
  auto directory = memory({memory_file("n/old", "")});
  auto file = memory({memory_file("n", "file")});
  auto other = memory({memory_file("n/new", "")});

  EXPECT_EQ(tree_of(*stack({other, file, directory})), (Tree{{"n", "dir"}, {"n/new", "file "}}));
  EXPECT_EQ(tree_of(*stack({file, directory})), (Tree{{"n", "file file"}}));
}

// containers/fuse-overlayfs#425: what a directory shows depended on what was looked at before.
TEST(Stack, AnswersTheSameInWhateverOrderItIsAsked) {
  auto bottom = memory({memory_file("d/sub/old", ""), memory_file("d/keep", "")});
  auto middle = memory({opaque("d/sub"), memory_file("d/sub/new", "")});
  auto top = memory({memory_file("d/sub/newest", "")});
  const auto make = [&] { return stack({top, middle, bottom}); };
  const Tree whole = tree_of(*make());

  auto deep_first = make();
  EXPECT_TRUE(at(*deep_first, "d/sub/old").error().is(ENOENT));
  EXPECT_EQ(tree_of(*deep_first), whole);
  auto held = make();
  auto sub = *at(*held, "d/sub");
  EXPECT_EQ(tree_of(*held), whole);
  EXPECT_EQ(at(*held, "d/sub")->node, sub.node);
  EXPECT_FALSE(whole.contains("d/sub/old"));
}

TEST(Stack, ResolvesHardLinksInTheLayersBelow) {
  auto bottom = memory({memory_file("a/f", "bottom"), memory_file("g", "g")});
  auto middle = memory({external("link", "a/f"), external("chain", "/g"), external("lost", "nowhere")});
  auto top = memory({external("again", "chain"), memory_file("a/f", "replaced"), memory_whiteout("g")});
  auto all = stack({top, middle, bottom});

  EXPECT_EQ(tree_of(*all), (Tree{{"a", "dir"},
                                 {"a/f", "file replaced"},
                                 {"link", "file bottom"},
                                 {"chain", "file g"},
                                 {"again", "file g"}}));
  EXPECT_TRUE(at(*all, "lost").error().is(ENOENT));
}

TEST(Stack, LetsALinkToNothingHideWhatIsBelowIt) {
  auto all = stack({memory({external("f", "nowhere"), external("d", "e")}),
                    memory({memory_file("f", ""), memory_file("d/x", ""), memory_dir("e")})});

  EXPECT_EQ(tree_of(*all), (Tree{{"e", "dir"}}));
  EXPECT_TRUE(at(*all, "f").error().is(ENOENT));
}

TEST(Stack, GivesFilesOfDifferentLayersDifferentInodeNumbers) {
  auto all = stack({memory({memory_file("a", "")}), memory({memory_file("b", "")})});

  EXPECT_NE(at(*all, "a")->attr.ino, at(*all, "b")->attr.ino);
}

TEST(Stack, KeepsInodeNumbersWhenALayerIsPutOnTop) {
  auto lower = memory({memory_file("b", "")});
  auto before = stack({memory({memory_file("a", "")}), lower});
  auto after = stack({memory({memory_file("new", "")}), memory({memory_file("a", "")}), lower});

  EXPECT_EQ(at(*before, "a")->attr.ino, at(*after, "a")->attr.ino);
  EXPECT_EQ(at(*before, "b")->attr.ino, at(*after, "b")->attr.ino);
}

TEST(Stack, EndsAnInnerStacksWhiteoutsInIt) {
  auto inner = stack({memory({memory_whiteout("f"), memory_file("d/1", "")}),
                      memory({memory_file("f", ""), memory_file("d/2", "")})});
  auto outer = stack({inner, memory({memory_file("f", "outer"), memory_file("d/3", "")})});

  EXPECT_EQ(tree_of(*outer),
            (Tree{{"f", "file outer"}, {"d", "dir"}, {"d/1", "file "}, {"d/2", "file "}, {"d/3", "file "}}));
}

TEST(Stack, HasRoomForFiveHundredLayers) {
  std::vector<LayerPtr> layers;
  Tree expected{{"d", "dir"}};
  for (int i = 0; i < 500; ++i) {
    layers.push_back(memory({memory_file(fmt::format("d/{:03}", i), std::to_string(i)),
                             memory_whiteout(fmt::format("d/{:03}", i + 1))}));
    if (i == 0) expected["d/000"] = "file 0";
  }

  EXPECT_EQ(tree_of(*stack(layers)), expected);
}

// A layer that counts who holds what of another.
class Counting final : public Layer {
 public:
  explicit Counting(LayerPtr inner) : inner_(std::move(inner)) {}
  Node root() const override { return inner_->root(); }
  Result<Entry> lookup(Node dir, std::string_view name) const override {
    auto entry = inner_->lookup(dir, name);
    if (entry && entry->marker != Marker::whiteout) ++holds_;
    ++lookups_;
    return entry;
  }
  Result<Attr> attr(Node node) const override { return inner_->attr(node); }
  Result<void> list(Node dir, const std::function<bool(const DirEntry&)>& each) const override {
    return inner_->list(dir, each);
  }
  Result<std::unique_ptr<FileView>> open(Node node) const override { return inner_->open(node); }
  Result<std::string> readlink(Node node) const override { return inner_->readlink(node); }
  Result<std::vector<Xattr>> xattrs(Node node) const override { return inner_->xattrs(node); }
  Result<std::string> link_target(Node node) const override { return inner_->link_target(node); }
  void hold(Node) const noexcept override { ++holds_; }
  void release(Node) const noexcept override { --holds_; }
  long holds() const { return holds_; }
  long lookups() const { return lookups_; }

 private:
  LayerPtr inner_;
  mutable std::atomic<long> holds_ = 0, lookups_ = 0;
};

TEST(Stack, GivesEveryNodeBack) {
  std::vector<std::shared_ptr<Counting>> counters;
  for (auto& layer : {memory({memory_file("d/s/1", ""), memory_whiteout("gone"), external("l", "d/s/2")}),
                      memory({memory_file("d/s/2", ""), memory_file("gone", ""), external("m", "nowhere")}),
                      memory({memory_file("d/s", "hidden by a directory"), memory_dir("gone")})})
    counters.push_back(std::make_shared<Counting>(layer));
  {
    auto all = stack({counters[0], counters[1], counters[2]});
    const long roots = counters[0]->holds();
    (void)tree_of(*all);
    auto entry = *at(*all, "d/s");
    all->hold(entry.node);
    all->release(entry.node);
    EXPECT_GT(counters[0]->holds(), roots);
    all->release(entry.node);
    for (const auto& counter : counters) EXPECT_EQ(counter->holds(), roots);
  }
}

TEST(Stack, NeverReusesTheNodeOfAMergedDirectory) {
  auto all = stack({memory({memory_file("d/1", ""), memory_file("e/1", "")}),
                    memory({memory_file("d/2", ""), memory_file("e/2", "")})});

  auto first = *at(*all, "d");
  all->release(first.node);
  auto second = *at(*all, "e");
  auto third = *at(*all, "d");

  EXPECT_NE(second.node, first.node);
  EXPECT_NE(third.node, first.node);
}

TEST(Stack, AsksOneLayerOnlyOfADirectoryThatOneHas) {
  auto top = std::make_shared<Counting>(memory({memory_dir("x")}));
  auto bottom = std::make_shared<Counting>(memory({memory_file("only/f", "")}));
  auto all = stack({top, bottom});
  auto only = *at(*all, "only");
  const long before = top->lookups();

  EXPECT_TRUE(all->lookup(only.node, "f"));

  EXPECT_EQ(top->lookups(), before);
}

TEST(Stack, SurvivesThreadsThatTakeAndGiveTheSameDirectory) {
  std::vector<MemoryEntry> upper, lower;
  for (int i = 0; i < 16; ++i) {
    upper.push_back(memory_file(fmt::format("d{}/s/u", i), "u"));
    lower.push_back(memory_file(fmt::format("d{}/s/l", i), "l"));
  }
  auto top = std::make_shared<Counting>(memory(upper));
  auto all = stack({top, memory(lower)});
  const long roots = top->holds();
  std::atomic<int> wrong = 0;

  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 4000; ++i)
        if (text_of(*all, fmt::format("d{}/s/{}", i % 16, i % 2 != 0 ? "u" : "l")) !=
            (i % 2 != 0 ? "u" : "l"))
          ++wrong;
    });
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(top->holds(), roots);
}

TEST(Walk, EndsAtFilesAndSymlinks) {
  auto layer = memory({memory_file("d/f", ""), memory_symlink("l", "d"), memory_whiteout("w")});

  EXPECT_TRUE(at(*layer, "")->attr.is_dir());
  EXPECT_TRUE(at(*layer, "l")->attr.is_symlink());
  EXPECT_TRUE(at(*layer, "l/f").error().is(ENOTDIR));
  EXPECT_TRUE(at(*layer, "d/f/x").error().is(ENOTDIR));
  EXPECT_TRUE(at(*layer, "d/none").error().is(ENOENT));
  EXPECT_TRUE(at(*layer, "w").error().is(ENOENT));
}

}  // namespace
}  // namespace acetate
