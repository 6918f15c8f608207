#include "layers/access_log.h"

#include <gtest/gtest.h>

#include "base/rel_path.h"
#include "layers/dir_layer.h"
#include "layers/memory_layer.h"
#include "layers/stack.h"
#include "tests/support/temp_dir.h"

namespace acetate {
namespace {

LayerPtr some_layer() {
  MemoryEntry second{.path = "d/second"};
  second.hardlink_to = "d/f";
  return *make_memory_layer({memory_file("d/f", "text"), second, memory_symlink("l", "d/f"), memory_dir("other")});
}

TEST(AccessLog, NotesWhatWasAskedOfATree) {
  const auto [layer, log] = observe(some_layer());
  EXPECT_EQ(*log->paths(), (AccessedPaths{{"", kNamed}}));

  const Entry file = *walk(*layer, *RelPath::parse("d/f"));
  EXPECT_TRUE(layer->open(file.node));
  EXPECT_FALSE(layer->lookup(layer->root(), "absent"));
  EXPECT_TRUE(layer->xattrs(walk(*layer, *RelPath::parse("l"))->node));
  EXPECT_TRUE(layer->list(layer->root(), [](const DirEntry&) { return true; }));

  EXPECT_EQ(*log->paths(), (AccessedPaths{{"", kNamed | kListed},
                                          {"absent", kNamed},
                                          {"d", kNamed},
                                          {"d/f", kNamed | kOpened},
                                          {"l", kNamed | kXattrs}}));
}

TEST(AccessLog, CountsEveryNameOfAFileThatWasUsed) {
  const auto [layer, log] = observe(some_layer());
  const Entry file = *walk(*layer, *RelPath::parse("d/f"));
  EXPECT_TRUE(walk(*layer, *RelPath::parse("d/second")));
  EXPECT_TRUE(layer->open(file.node));
  EXPECT_EQ(log->paths()->at("d/second"), unsigned{kNamed | kOpened});
}

TEST(AccessLog, HidesTheTimesOfDirectoriesAndNotThoseOfFiles) {
  MemoryEntry dir = memory_dir("d"), file = memory_file("f", "");
  dir.attr.mtime = file.attr.mtime = {5, 6};
  const auto [layer, log] = observe(*make_memory_layer({dir, file}));
  const Entry seen = *layer->lookup(layer->root(), "d");
  EXPECT_EQ(seen.attr.mtime.tv_sec, kObservedDirTime.tv_sec);
  EXPECT_EQ(layer->attr(seen.node)->ctime.tv_sec, kObservedDirTime.tv_sec);
  EXPECT_EQ(layer->lookup(layer->root(), "f")->attr.mtime.tv_sec, 5);
}

TEST(AccessLog, GivesUpWhereItWouldBeTooLong) {
  const auto [layer, log] = observe(some_layer(), 2);
  for (const char* name : {"a", "b", "c"}) EXPECT_FALSE(layer->lookup(layer->root(), name));
  EXPECT_TRUE(log->paths().error().is(EOVERFLOW));
}

TEST(AccessLog, IsNoneWhereSomethingCouldNotBeTold) {
  const auto [layer, log] = observe(some_layer());
  const Entry file = *walk(*layer, *RelPath::parse("d/f"));
  ASSERT_FALSE(layer->readlink(file.node));
  EXPECT_FALSE(log->paths());
}

TEST(AccessLog, IsNoneWhereSomethingWithoutANameWasUsed) {
  const LayerPtr raw = some_layer();
  const auto [layer, log] = observe(raw);
  EXPECT_TRUE(layer->open(walk(*raw, *RelPath::parse("d/f"))->node));
  EXPECT_TRUE(log->paths().error().is(EBADMSG));
}

// A directory layer gives a node's number to the next file as soon as nobody holds it.
TEST(AccessLog, WhatIsNotedOfAFileIsNotTakenForTheNext) {
  test::TempDir dir;
  dir.write("opened", "");
  dir.write("named", "");
  const auto [layer, log] = observe(*open_dir_layer(dir.open()));
  const auto held = [&](const char* name) { return HeldNode(*layer, layer->lookup(layer->root(), name)->node); };
  EXPECT_TRUE(layer->open(held("opened").get()));
  (void)held("named");
  EXPECT_EQ(*log->paths(), (AccessedPaths{{"", kNamed}, {"named", kNamed}, {"opened", kNamed | kOpened}}));
}

TEST(AccessLog, AFileThatIsLookedUpAgainIsTheSameAndCountsOnce) {
  test::TempDir dir;
  dir.write("f", "");
  const auto [layer, log] = observe(*open_dir_layer(dir.open()), 1);
  const auto held = [&] { return HeldNode(*layer, layer->lookup(layer->root(), "f")->node); };
  const HeldNode first = held();
  const HeldNode again = held();
  EXPECT_EQ(first.get(), again.get());
  EXPECT_TRUE(layer->open(again.get()));
  EXPECT_EQ(*log->paths(), (AccessedPaths{{"", kNamed}, {"f", kNamed | kOpened}}));
}

TEST(AccessLog, IsWrittenAndRead) {
  const AccessedPaths paths{{"", kNamed}, {"a b\n", kNamed | kOpened}, {"c", kListed | kXattrs}};
  const std::string text = format_access_log(paths);
  EXPECT_EQ(*parse_access_log(text), paths);
  for (std::size_t length = 0; length < text.size(); ++length)
    EXPECT_FALSE(parse_access_log(std::string_view(text).substr(0, length))) << length;
}

}  // namespace
}  // namespace acetate
