#include "layers/memory_layer.h"

#include <gtest/gtest.h>

#include "base/rel_path.h"
#include "layers/stack.h"
#include "tests/layers/tree.h"

namespace acetate {
namespace {

using test::Tree;
using test::tree_of;

Entry at(const Layer& layer, std::string_view path) { return *walk(layer, *RelPath::parse(path)); }

TEST(MemoryLayer, MakesParentsThatAreNotListed) {
  auto layer = *make_memory_layer({memory_file("a/b/c", "text"), memory_symlink("a/l", "b")});

  EXPECT_EQ(tree_of(*layer), (Tree{{"a", "dir"}, {"a/b", "dir"}, {"a/b/c", "file text"}, {"a/l", "link b"}}));
  EXPECT_EQ(at(*layer, "a").attr.mode, mode_t{S_IFDIR | 0755});
}

TEST(MemoryLayer, LetsLaterEntriesWin) {
  auto layer = *make_memory_layer({memory_file("d/f", "1"), memory_file("x", "old"), memory_dir("d", 0700),
                                   memory_file("x", "new"), memory_dir("gone"), memory_file("gone/f", ""),
                                   memory_file("gone", "a file now")});

  EXPECT_EQ(tree_of(*layer),
            (Tree{{"d", "dir"}, {"d/f", "file 1"}, {"x", "file new"}, {"gone", "file a file now"}}));
  EXPECT_EQ(at(*layer, "d").attr.mode & 07777, 0700U);
}

TEST(MemoryLayer, CountsHardLinksOfWhatIsLeft) {
  MemoryEntry second{.path = "b"};
  second.hardlink_to = "a";
  MemoryEntry third{.path = "c"};
  third.hardlink_to = "b";

  auto layer = *make_memory_layer({memory_file("a", "x"), second, third, memory_file("a", "other")});

  EXPECT_EQ(at(*layer, "b").node, at(*layer, "c").node);
  EXPECT_EQ(at(*layer, "b").attr.nlink, 2U);
  EXPECT_EQ(at(*layer, "a").attr.nlink, 1U);
  EXPECT_NE(at(*layer, "a").attr.ino, at(*layer, "b").attr.ino);
}

TEST(MemoryLayer, LetsAnEntryWinOverAWhiteoutOfItsNameInEitherOrder) {
  auto layer = *make_memory_layer({memory_whiteout("f"), memory_file("f", "1"), memory_dir("d"),
                                   memory_whiteout("d"), memory_whiteout("w")});

  EXPECT_EQ(tree_of(*layer), (Tree{{"f", "file 1"}, {"d", "dir opaque"}, {"w", "whiteout"}}));
}

TEST(MemoryLayer, RefusesWhatIsNoTree) {
  EXPECT_TRUE(make_memory_layer({memory_file("../x", "")}).error().is(EINVAL));
  EXPECT_TRUE(make_memory_layer({memory_file("a", ""), memory_file("a/b", "")}).error().is(EINVAL));
  EXPECT_TRUE(make_memory_layer({memory_file("", "")}).error().is(EINVAL));
  EXPECT_TRUE(make_memory_layer({MemoryEntry{.path = "typeless"}}).error().is(EINVAL));
  MemoryEntry dangling{.path = "b"};
  dangling.hardlink_to = "nothing";
  EXPECT_TRUE(make_memory_layer({dangling}).error().is(EINVAL));
}

TEST(MemoryLayer, AnswersAsThePlainFilesystemWould) {
  auto layer = *make_memory_layer({memory_file("f", "text"), memory_symlink("l", "f")});
  const Node file = at(*layer, "f").node, link = at(*layer, "l").node;

  EXPECT_TRUE(layer->open(layer->root()).error().is(EISDIR));
  EXPECT_TRUE(layer->open(link).error().is(EINVAL));
  EXPECT_TRUE(layer->readlink(file).error().is(EINVAL));
  EXPECT_TRUE(layer->lookup(file, "x").error().is(ENOTDIR));
  EXPECT_TRUE(layer->lookup(layer->root(), "x").error().is(ENOENT));
  EXPECT_TRUE(layer->list(file, [](const DirEntry&) { return true; }).error().is(ENOTDIR));
  std::byte some[3];
  EXPECT_EQ(*(*layer->open(file))->pread(some, 2), 2U);
  EXPECT_EQ(*(*layer->open(file))->pread(some, 9), 0U);
  EXPECT_EQ(**layer->content_id(file), Digest::of("text"));
}

}  // namespace
}  // namespace acetate
