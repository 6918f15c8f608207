// The compiled stack is the stack: same names, order, numbers and bytes, however the layers were made.
#include "layers/tar/compiled_stack.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <random>

#include "base/sys/file.h"
#include "layers/layer_spec.h"
#include "layers/open_stack.h"
#include "layers/stack.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tar/tar_maker.h"
#include "tests/support/temp_dir.h"

namespace acetate::test {
namespace {

// Everything that can be asked, in the order in which it is told: st_ino included.
void tell(const Layer& layer, Node dir, const std::string& path, std::string& into) {
  std::vector<std::string> names;
  const auto listed = layer.list(dir, [&](const DirEntry& entry) {
    into += fmt::format("{}/{} type {} ino {:x}\n", path, entry.name, entry.type, entry.ino);
    names.emplace_back(entry.name);
    return true;
  });
  EXPECT_TRUE(listed) << words(listed);
  for (const std::string& name : names) {
    const auto entry = layer.lookup(dir, name);
    ASSERT_TRUE(entry) << path << "/" << name << ": " << words(entry);
    const HeldNode held(layer, entry->node);
    const Attr attr = *layer.attr(entry->node);
    EXPECT_EQ(attr.ino, entry->attr.ino);
    into += fmt::format("{}/{} marker {} ino {:x} blocks {} links {}\n", path, name, static_cast<int>(entry->marker),
                        attr.ino, attr.blocks, attr.nlink);
    if (attr.is_dir()) tell(layer, entry->node, path + "/" + name, into);
  }
  EXPECT_TRUE(layer.lookup(dir, "no such name").error().is(ENOENT));
}

std::string all_of(const Layer& layer) {
  std::string text = listing_of(layer);
  text += fmt::format("root ino {:x}\n", layer.attr(layer.root())->ino);
  tell(layer, layer.root(), "", text);
  return text;
}

class Compiled : public ::testing::Test {
 protected:
  std::vector<OpenedLayer> open(const std::vector<std::string>& bottom_to_top) {
    std::vector<OpenedLayer> layers;
    for (const std::string& tar : bottom_to_top) {
      const std::string name = fmt::format("{}.tar", layers.size());
      dir_.write(name, tar);
      layers.insert(layers.begin(), *open_layer({.path = dir_ / name}, dir_ / "index"));
    }
    return layers;
  }
  LayerPtr stack_of(const std::vector<OpenedLayer>& layers) {
    std::vector<LayerPtr> trees;
    for (const auto& opened : layers) trees.push_back(opened.layer);
    return *make_stack(trees);
  }
  // Compiles, and finds it again.
  LayerPtr compiled(const std::vector<OpenedLayer>& layers) {
    std::vector<LayerPtr> trees;
    std::vector<Digest> ids;
    for (const auto& opened : layers) {
      trees.push_back(opened.layer);
      ids.push_back(id_of_index(*opened.facts));
    }
    const Digest id = id_of_stack(ids);
    const auto made = compile_stack(stacks_, id, *stack_of(layers));
    EXPECT_TRUE(made) << words(made);
    return find_compiled_stack(stacks_, id, trees);
  }

  TempDir dir_;
  IndexStore stacks_{dir_ / "index/stack"};
};

std::vector<std::string> sample() {
  TarMaker base, middle, top;
  base.dir("usr").file("usr/a", "1").file("usr/b", "2").hardlink("usr/c", "usr/a").dir("gone").file("gone/x", "");
  base.dir("opaque").file("opaque/old", "").symlink("link", "usr/a").file("file-becomes-dir", "x");
  base.dir("dir-becomes-file").file("dir-becomes-file/x", "");
  middle.file(".wh.gone", "").file("usr/.wh.b", "").dir("opaque", 0700).file("opaque/.wh..wh..opq", "");
  middle.file("opaque/new", "n").hardlink("usr/d", "usr/a").file("zz", "z");
  middle.header({.name = "null", .type = '3', .major = 1, .minor = 3});
  top.pax({{"SCHILY.xattr.user.x", "value"}}).dir("usr").file("usr/aa", "3").file("zz", "other");
  top.dir("file-becomes-dir").file("file-becomes-dir/y", "").file("dir-becomes-file", "");
  top.hardlink("usr/e", "usr/c").hardlink("dangling", "nowhere");
  return {base.end(), middle.end(), top.end()};
}

TEST_F(Compiled, IsTheSameTreeInTheSameOrderWithTheSameNumbers) {
  const auto layers = open(sample());
  const LayerPtr tree = compiled(layers);
  ASSERT_NE(tree, nullptr);

  EXPECT_EQ(all_of(*tree), all_of(*stack_of(layers)));
  EXPECT_EQ(tree->device(), stack_of(layers)->device());
}

// What an image without an entry for /tmp unpacks to over another one.
TEST_F(Compiled, ADirectoryThatIsOnlyImpliedIsLikeTheOneBelow) {
  TarMaker base, middle, top;
  base.dir("./", 0711).dir("tmp", 01777).pax({{"SCHILY.xattr.user.x", "below"}}).dir("home", 0700).dir("own", 0700);
  middle.file("tmp/m", "").file("home/m", "");
  top.file("tmp/t", "").file("home/t", "").file("new/t", "").dir("own", 0750);
  const auto layers = open({base.end(), middle.end(), top.end()});
  for (const LayerPtr& tree : {stack_of(layers), compiled(layers)}) {
    const auto at = [&](const char* name) { return *tree->lookup(tree->root(), name); };
    EXPECT_EQ(tree->attr(tree->root())->mode, mode_t{S_IFDIR | 0711});
    EXPECT_EQ(at("tmp").attr.mode, mode_t{S_IFDIR | 01777});
    EXPECT_EQ(tree->attr(at("tmp").node)->mode, mode_t{S_IFDIR | 01777});
    EXPECT_EQ(at("tmp").attr.mode, mode_t{S_IFDIR | 01777}) << "the second time, when it is known";
    EXPECT_EQ(at("home").attr.mode, mode_t{S_IFDIR | 0700});
    EXPECT_EQ(*tree->xattr(at("home").node, "user.x"), "below");
    EXPECT_EQ(at("new").attr.mode, mode_t{S_IFDIR | 0755});
    EXPECT_EQ(at("own").attr.mode, mode_t{S_IFDIR | 0750});
    EXPECT_TRUE(tree->lookup(at("tmp").node, "m"));
    EXPECT_TRUE(tree->lookup(at("tmp").node, "t"));
  }
}

// Unpackers empty it, and leave it as it is otherwise.
TEST_F(Compiled, ADirectoryThatIsOnlyEmptiedStaysLikeTheOneBelow) {
  TarMaker base, middle, top;
  base.dir("tmp", 01777).file("tmp/old", "").pax({{"SCHILY.xattr.user.x", "below"}}).dir("home", 0700).dir("home/in", 0700);
  base.dir("own", 0700).file("own/old", "").dir("gone", 0700);
  middle.file("tmp/m", "").file("home/.wh..wh..opq", "").file("home/in/m", "").file("own/m", "").file(".wh.gone", "");
  top.file("tmp/.wh..wh..opq", "").file("tmp/t", "").file("home/t", "").dir("own", 0750).file("own/.wh..wh..opq", "");
  top.file("gone/.wh..wh..opq", "");
  const auto layers = open({base.end(), middle.end(), top.end()});
  for (const LayerPtr& tree : {stack_of(layers), compiled(layers)}) {
    const auto at = [&](const char* name) { return *tree->lookup(tree->root(), name); };
    const auto names = [&](const char* name) {
      std::string all;
      EXPECT_TRUE(tree->list(at(name).node, [&](const DirEntry& entry) { return all += std::string(entry.name) + " ", true; }));
      return all;
    };
    EXPECT_EQ(at("tmp").attr.mode, mode_t{S_IFDIR | 01777});
    EXPECT_EQ(at("tmp").attr.mode, mode_t{S_IFDIR | 01777}) << "the second time, when it is known";
    EXPECT_EQ(names("tmp"), "t ");
    EXPECT_TRUE(tree->lookup(at("tmp").node, "m").error().is(ENOENT));
    EXPECT_TRUE(tree->lookup(at("tmp").node, "old").error().is(ENOENT));
    EXPECT_EQ(at("home").attr.mode, mode_t{S_IFDIR | 0700});
    EXPECT_EQ(*tree->xattr(at("home").node, "user.x"), "below");
    EXPECT_EQ(names("home"), "t in ");
    EXPECT_EQ(tree->lookup(at("home").node, "in")->attr.mode, mode_t{S_IFDIR | 0755}) << "what was in it is gone";
    EXPECT_EQ(at("own").attr.mode, mode_t{S_IFDIR | 0750});
    EXPECT_EQ(names("own"), "");
    EXPECT_EQ(at("gone").attr.mode, mode_t{S_IFDIR | 0755});
  }
}

TEST_F(Compiled, ARootThatIsOnlyEmptiedStaysLikeTheOneBelow) {
  TarMaker base, middle, top;
  base.pax({{"SCHILY.xattr.user.x", "below"}}).dir("./", 0711).file("old", "");
  middle.file("m", "");
  top.file(".wh..wh..opq", "").file("t", "");
  const auto layers = open({base.end(), middle.end(), top.end()});
  for (const LayerPtr& tree : {stack_of(layers), compiled(layers)}) {
    EXPECT_EQ(tree->attr(tree->root())->mode, mode_t{S_IFDIR | 0711});
    EXPECT_EQ(*tree->xattr(tree->root(), "user.x"), "below");
    EXPECT_TRUE(tree->lookup(tree->root(), "t"));
    EXPECT_TRUE(tree->lookup(tree->root(), "m").error().is(ENOENT));
    EXPECT_TRUE(tree->lookup(tree->root(), "old").error().is(ENOENT));
  }
}

TEST_F(Compiled, IsTheSameForStacksMadeAtRandom) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto path = [&] {
      std::string made = fmt::format("{}", random() % 4);
      while (random() % 2 == 0) made += fmt::format("/{}", random() % 4);
      return made;
    };
    std::vector<std::string> tars;
    for (std::uint64_t layer = 0; layer < 2 + random() % 6; ++layer) {
      TarMaker tar;
      for (int i = 0; i < 40; ++i) {
        const std::string at = path();
        const std::size_t slash = at.rfind('/');
        const std::string parent = slash == std::string::npos ? "" : at.substr(0, slash + 1);
        switch (random() % 8) {
          case 0: tar.file(parent + ".wh." + at.substr(parent.size()), ""); break;
          case 1: tar.file(parent + ".wh..wh..opq", ""); break;
          case 2: tar.hardlink("h" + at, path()); break;  // to a file, to nothing, to a directory's path below
          case 3: tar.symlink(at, path()); break;
          case 4:
          case 5: tar.dir(at, 0700 + static_cast<unsigned>(random() % 64)); break;
          default: tar.file(at, std::string(random() % 600, 'x')); break;
        }
      }
      // A link to a directory of its own layer makes a tar no layer: such a one is left out.
      if (layer_of(tar.end())) tars.push_back(tar.end());
    }
    if (tars.size() < 2) continue;
    const auto layers = open(tars);
    const LayerPtr tree = compiled(layers);
    ASSERT_NE(tree, nullptr);
    EXPECT_EQ(all_of(*tree), all_of(*stack_of(layers)));
  }
}

// Counts who is asked.
class Counting final : public Layer {
 public:
  Counting(LayerPtr layer, int& asked) : layer_(std::move(layer)), asked_(asked) {}
  Node root() const override { return layer_->root(); }
  Result<Entry> lookup(Node dir, std::string_view name) const override { return ++asked_, layer_->lookup(dir, name); }
  Result<Attr> attr(Node node) const override { return ++asked_, layer_->attr(node); }
  Result<void> list(Node dir, const std::function<bool(const DirEntry&)>& each) const override {
    return ++asked_, layer_->list(dir, each);
  }
  Result<std::unique_ptr<FileView>> open(Node node) const override { return ++asked_, layer_->open(node); }
  Result<std::string> readlink(Node node) const override { return ++asked_, layer_->readlink(node); }
  Result<std::vector<Xattr>> xattrs(Node node) const override { return ++asked_, layer_->xattrs(node); }

 private:
  LayerPtr layer_;
  int& asked_;
};

TEST_F(Compiled, AsksNoLayerForNamesAndAttributes) {
  const auto layers = open(sample());
  ASSERT_NE(compiled(layers), nullptr);
  int asked = 0;
  std::vector<LayerPtr> counted;
  std::vector<Digest> ids;
  for (const auto& opened : layers) {
    counted.push_back(std::make_shared<Counting>(opened.layer, asked));
    ids.push_back(id_of_index(*opened.facts));
  }
  const LayerPtr tree = find_compiled_stack(stacks_, id_of_stack(ids), counted);
  ASSERT_NE(tree, nullptr);

  std::string text;
  tell(*tree, tree->root(), "", text);
  EXPECT_EQ(asked, 0);
  EXPECT_TRUE(tree->open(tree->lookup(tree->root(), "zz")->node));
  EXPECT_EQ(asked, 1);
}

TEST_F(Compiled, IsMadeInTheBackgroundAndAdoptedAtTheNextOpen) {
  const auto layers = open(sample());
  std::string first;
  {
    const auto stack = open_stack(layers, dir_ / "index");
    ASSERT_TRUE(stack) << words(stack);
    EXPECT_FALSE(stack->is_compiled);
    first = all_of(*stack->tree);
    while (!open_stack(layers, dir_ / "index")->is_compiled) {
    }
  }
  const auto again = open_stack(layers, dir_ / "index");
  EXPECT_TRUE(again->is_compiled);
  EXPECT_EQ(all_of(*again->tree), first);
  // Another order is another stack, and one layer needs none.
  EXPECT_FALSE(open_stack({layers[1], layers[0], layers[2]}, dir_ / "index")->is_compiled);
  EXPECT_FALSE(open_stack({layers[0]}, dir_ / "index")->is_compiled);
}

TEST_F(Compiled, ThatIsDamagedIsNotUsed) {
  const auto layers = open(sample());
  ASSERT_NE(compiled(layers), nullptr);
  std::vector<LayerPtr> trees;
  std::vector<Digest> ids;
  for (const auto& opened : layers) {
    trees.push_back(opened.layer);
    ids.push_back(id_of_index(*opened.facts));
  }
  const Digest id = id_of_stack(ids);
  const std::string name = stacks_.path_of(id).substr(dir_.path().size() + 1);
  const std::string good = dir_.read(name);
  for (std::size_t at = 0; at < good.size(); at += 101) {
    std::string bad = good;
    bad[at] ^= 8;
    dir_.write(name, bad);
    EXPECT_EQ(find_compiled_stack(stacks_, id, trees), nullptr) << at;
  }
  dir_.write(name, good);
  EXPECT_NE(find_compiled_stack(stacks_, id, trees), nullptr);
  // A layer's index in its place is not taken for one.
  dir_.write(name, dir_.read(IndexStore(dir_ / "index").path_of(Digest::of(sample()[0])).substr(dir_.path().size() + 1)));
  EXPECT_EQ(find_compiled_stack(stacks_, id, trees), nullptr);
}

TEST_F(Compiled, StopsWhenToldTo) {
  const auto layers = open(sample());
  const Digest id = Digest::of("any");
  EXPECT_TRUE(compile_stack(stacks_, id, *stack_of(layers), [] { return false; }).error().is(ECANCELED));
  EXPECT_EQ(stacks_.find(id, lix::IndexKind::stack), nullptr);
  EXPECT_TRUE(compile_stack(stacks_, id, *layers[0].layer).error().is(EINVAL));
}

}  // namespace
}  // namespace acetate::test
