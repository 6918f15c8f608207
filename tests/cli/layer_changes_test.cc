#include "cli/layer_changes.h"

#include <gtest/gtest.h>

#include "cli/explore_page.h"
#include "layers/memory_layer.h"

namespace acetate::cli {
namespace {

using Words = std::vector<std::string>;

Words told(const LayerChanges& layer) {
  Words words;
  for (const LayerChange& change : layer.changes)
    words.push_back(fmt::format("{} {} {}", "ACD"[static_cast<std::size_t>(change.kind)], change.path, change.bytes));
  return words;
}

TEST(LayerChanges, TellWhatIsAddedChangedRemovedAndWasted) {
  const auto layers = *changes_of({*make_memory_layer({memory_file("d/a", "12345"), memory_file("d/b", "123"), memory_file("e/x/y", "1")}),
                                   *make_memory_layer({memory_file("d/a", "12"), memory_whiteout("e"), memory_file("new", "1")}),
                                   *make_memory_layer({memory_whiteout("d/b"), memory_whiteout("nothing")})});
  ASSERT_EQ(layers.size(), 3U);
  EXPECT_EQ(told(layers[0]), (Words{"A d 0", "A d/a 5", "A d/b 3", "A e 0", "A e/x 0", "A e/x/y 1"}));
  EXPECT_EQ(told(layers[1]), (Words{"C d/a 2", "D e 1", "A new 1"}));
  EXPECT_EQ(told(layers[2]), Words{"D d/b 3"});
  EXPECT_EQ(layers[0].bytes, 9U);
  EXPECT_EQ(layers[0].wasted, 9U);
  EXPECT_EQ(layers[1].wasted, 0U);
}

TEST(LayerChanges, HideAllOfADirectoryThatIsOpaque) {
  MemoryEntry opaque = memory_dir("d");
  opaque.marker = Marker::opaque;
  const auto layers = *changes_of({*make_memory_layer({memory_file("d/a", "12345")}), *make_memory_layer({opaque, memory_file("d/b", "1")})});
  EXPECT_EQ(told(layers[1]), Words{"A d/b 1"});
  EXPECT_EQ(layers[0].wasted, 5U);
}

TEST(ExplorePage, EscapesWhatImagesSay) {
  ExploredLayer layer{.number = 1, .step = "RUN echo \"<script>\" & true"};
  layer.changes.changes.push_back({LayerChange::Kind::added, "<b>\n", 7});
  const std::string page = explore_page("a<b", {layer});
  EXPECT_EQ(page.find("<script>"), std::string::npos);
  EXPECT_EQ(page.find("<b>\n"), std::string::npos);
  EXPECT_NE(page.find("/&lt;b&gt;\\x0a"), std::string::npos) << page;
}

}  // namespace
}  // namespace acetate::cli
