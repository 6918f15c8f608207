// What a directory layer's nodes are: held, shared by who asks for a directory, and lending their names.
#include <gtest/gtest.h>

#include "base/rel_path.h"
#include "layers/dir_layer.h"
#include "layers/stack.h"
#include "tests/support/temp_dir.h"

namespace acetate {
namespace {

class DirNodes : public ::testing::Test {
 protected:
  void SetUp() override { dir_.write("d/f", ""); }
  HeldNode held(const Layer& layer, std::string_view path) const { return HeldNode(layer, walk(layer, *RelPath::parse(path))->node); }

  test::TempDir dir_;
};

TEST_F(DirNodes, ADirectoryIsOneWhileItIsHeldAndAFileOneForEachWhoAsks) {
  const LayerPtr layer = *open_dir_layer(dir_.open());
  const HeldNode first = held(*layer, "d");
  const HeldNode again = held(*layer, "d");
  EXPECT_EQ(first.get(), again.get());
  const HeldNode file = held(*layer, "d/f");
  const HeldNode same = held(*layer, "d/f");
  EXPECT_EQ(layer->attr(same.get())->ino, layer->attr(file.get())->ino);
}

TEST_F(DirNodes, OneStaysUntilItsLastHoldIsGivenBack) {
  const LayerPtr layer = *open_dir_layer(dir_.open());
  for (const char* path : {"d", "d/f"}) {
    const Node node = walk(*layer, *RelPath::parse(path))->node;
    layer->hold(node);
    layer->release(node);
    EXPECT_TRUE(layer->attr(node)) << path;
    layer->release(node);
  }
}

TEST_F(DirNodes, NamesAreLentAlsoThroughAStack) {
  const LayerPtr layer = *open_dir_layer(dir_.open());
  EXPECT_STREQ(layer->held_name(held(*layer, "d/f").get()), "f");
  const test::TempDir above;
  above.write("d/other", "");
  const LayerPtr stack = *make_stack({*open_dir_layer(above.open()), layer});
  const HeldNode merged = held(*stack, "d");
  const HeldNode single = held(*stack, "d/f");
  EXPECT_STREQ(stack->held_name(merged.get()), "d");
  EXPECT_STREQ(stack->held_name(single.get()), "f");
}

TEST_F(DirNodes, AParentStaysAsLongAsWhatIsInIt) {
  const LayerPtr layer = *open_dir_layer(dir_.open());
  const HeldNode file = held(*layer, "d/f");  // of its directory nobody else has a hold
  const HeldNode dir = held(*layer, "d");
  EXPECT_TRUE(layer->lookup(dir.get(), "f"));
  EXPECT_TRUE(layer->open(file.get()));
}

}  // namespace
}  // namespace acetate
