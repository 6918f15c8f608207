#include "layers/first_names.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "layers/dir_layer.h"
#include "layers/memory_layer.h"
#include "tests/support/temp_dir.h"

namespace acetate {
namespace {

TEST(FirstNames, NamesOfOneFileShareTheFirst) {
  MemoryEntry second{.path = "second"};
  second.hardlink_to = "first";
  const LayerPtr layer = *make_memory_layer({memory_file("first", ""), second, memory_file("third", "")});
  FirstNames names(*layer);
  for (const auto& [path, first] : {std::pair("first", "first"), std::pair("second", "first"), std::pair("third", "third")}) {
    const HeldNode held(*layer, layer->lookup(layer->root(), path)->node);
    EXPECT_EQ(names.of(held.get(), path), first);
  }
}

// A directory layer gives a node's number to the next file as soon as nobody holds it.
TEST(FirstNames, AFileThatIsLookedUpAfterAnotherIsNotTakenForIt) {
  test::TempDir dir;
  for (int i = 0; i < 100; ++i) dir.write(std::to_string(i), "");
  const LayerPtr layer = *open_dir_layer(dir.open());
  FirstNames names(*layer);
  for (int i = 0; i < 100; ++i) {
    const HeldNode held(*layer, layer->lookup(layer->root(), std::to_string(i))->node);
    EXPECT_EQ(names.of(held.get(), std::to_string(i)), std::to_string(i));
  }
}

}  // namespace
}  // namespace acetate
