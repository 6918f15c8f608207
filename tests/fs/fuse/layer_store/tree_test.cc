// An additional layer store, as containers/storage asks it.
#include "fs/fuse/layer_store/tree.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/bytes.h"
#include "fs/fuse/layer_store/offered.h"
#include "layers/memory_layer.h"
#include "tests/support/temp_dir.h"

namespace acetate::fs {
namespace {

MemoryEntry opaque_dir(std::string path) {
  auto dir = memory_dir(std::move(path));
  dir.marker = Marker::opaque;
  return dir;
}

class LayerStore : public ::testing::Test {
 protected:
  using Found = LayerStoreTree::Found;
  static constexpr const char* kName = "reg.example/app:1";

  LayerStore() { tmp_.write("blob", "packed"); }

  OfferedLayer offered(const std::string& what) const {
    return {.digest = Digest::of(what), .diff_id = Digest::of(what + " unpacked"), .size = 6, .packing = 2,
            .spec = {.path = tmp_ / "blob"}};
  }
  // Every name of it stands for that inode, or 0.
  std::uint64_t at(const std::vector<std::string>& path) {
    std::uint64_t ino = LayerStoreTree::kRoot;
    for (const auto& name : path) {
      const auto found = tree_.lookup(ino, name);
      if (!found) return 0;
      ino = found->ino;
    }
    return ino;
  }
  std::uint64_t in_layer(std::vector<std::string> path, const std::string& layer = "a") {
    path.insert(path.begin(), {base64_encode(kName), Digest::of(layer).str(), "diff"});
    return at(path);
  }
  std::string read(std::uint64_t ino) {
    const auto file = tree_.open(ino);
    if (!file) return file.error().message();
    std::string text((*file)->size(), '\0');
    EXPECT_EQ(*(*file)->pread(std::as_writable_bytes(std::span(text)), 0), text.size());
    return text;
  }

  const test::TempDir tmp_;
  std::vector<OfferedLayer> image_ = {offered("a"), offered("b")};
  std::vector<std::string> asked_;
  int opened_ = 0;
  LayerStoreTree tree_{[this](const std::string& name, Ask ask) -> Result<std::vector<OfferedLayer>> {
                         asked_.push_back((ask == Ask::anew ? "anew " : "") + name);
                         if (name != kName) return fail(EIO, "nobody knows {}", name);
                         return image_;
                       },
                       [this](const LayerSpec&) -> Result<LayerPtr> {
                         ++opened_;
                         return make_memory_layer({memory_file("dir/file", "content"), memory_symlink("link", "dir/file"),
                                                   memory_whiteout("dir/gone"), opaque_dir("new"),
                                                   memory_file("new/file", "x")});
                       }};
};

TEST_F(LayerStore, ShowsAnImageWhenItIsLookedUp) {
  EXPECT_TRUE(tree_.list(LayerStoreTree::kRoot)->empty());
  const std::uint64_t image = at({base64_encode(kName)});
  ASSERT_NE(image, 0U);
  EXPECT_EQ(asked_, std::vector<std::string>{kName});
  EXPECT_EQ(tree_.list(image)->size(), 2U);
  EXPECT_EQ(tree_.list(LayerStoreTree::kRoot)->front().name, base64_encode(kName));
  EXPECT_EQ(opened_, 0) << "no layer before somebody looks into it";
  at({base64_encode(kName)});
  EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(LayerStore, TellsOfALayerWhatItsUserWantsToKnow) {
  const std::string digest = Digest::of("a").str();
  EXPECT_EQ(read(at({base64_encode(kName), digest, "info"})),
            R"({"compressed-diff-digest":")" + digest + R"(","compressed-size":6,"diff-digest":")" +
                Digest::of("a unpacked").str() + "\",\"compression\":2}\n");
  const std::uint64_t blob = at({base64_encode(kName), digest, "blob"});
  EXPECT_EQ(read(blob), "packed");
  EXPECT_EQ(tree_.attr(blob)->size, 6U);
  EXPECT_TRUE(LayerStoreTree::is_volatile(at({base64_encode(kName), digest}))) << "\"use\" is looked for there";
  EXPECT_TRUE(tree_.lookup(at({base64_encode(kName), digest}), "use").error().is(ENOENT));
}

TEST_F(LayerStore, IsItsOwnersAloneAroundTheLayers) {
  const std::vector<std::string> layer{base64_encode(kName), Digest::of("a").str()};
  for (const auto& dir : std::vector<std::vector<std::string>>{{}, {layer[0]}, layer}) EXPECT_EQ(tree_.attr(at(dir))->mode, S_IFDIR | 0700U) << dir.size();
  for (const char* file : {"info", "blob"}) {
    const auto found = tree_.lookup(at(layer), file);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->attr.mode, S_IFREG | 0400U) << file;
  }
  EXPECT_EQ(tree_.attr(in_layer({}))->mode & 07777, 0755U) << "and in them all is as the image has it";
}

TEST_F(LayerStore, ShowsALayerAsAnOverlayReadsIt) {
  const std::uint64_t file = in_layer({"dir", "file"});
  EXPECT_EQ(read(file), "content");
  EXPECT_FALSE(LayerStoreTree::is_volatile(in_layer({"dir"})));
  EXPECT_EQ(*tree_.readlink(in_layer({"link"})), "dir/file");
  const auto gone = tree_.attr(in_layer({"dir", "gone"}));
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->mode, S_IFCHR);
  EXPECT_EQ(gone->rdev, 0U);
  const auto xattrs = *tree_.xattrs(in_layer({"new"}));
  ASSERT_EQ(xattrs.size(), 3U);
  EXPECT_EQ(xattrs[0].name, "trusted.overlay.opaque");
  EXPECT_EQ(xattrs[0].value, "y");
  EXPECT_TRUE(tree_.xattrs(in_layer({"dir"}))->empty());
  EXPECT_EQ(opened_, 1);
}

TEST_F(LayerStore, ListsWhatLookupFinds) {
  for (const auto& path : std::vector<std::vector<std::string>>{{}, {"dir"}, {"new"}}) {
    const auto listed = *tree_.list(in_layer(path));
    for (const auto& entry : listed) {
      const auto found = tree_.lookup(in_layer(path), entry.name);
      ASSERT_TRUE(found) << entry.name;
      EXPECT_EQ(found->attr.ino, entry.ino) << entry.name;
      EXPECT_EQ(dirent_type(found->attr.mode), entry.type) << entry.name;
    }
  }
}

TEST_F(LayerStore, AsksAgainWhereANameMayStandForAnotherImage) {
  const std::uint64_t image = at({base64_encode(kName)});
  image_.push_back(offered("c"));
  EXPECT_NE(in_layer({}, "c"), 0U);
  EXPECT_EQ(asked_.back(), std::string("anew ") + kName);
  EXPECT_EQ(tree_.lookup(image, Digest::of("d").str()).error().code(), ENOENT);
  EXPECT_EQ(asked_.size(), 2U) << "but not for every name that somebody makes up";
  EXPECT_NE(in_layer({}, "a"), 0U);
}

TEST_F(LayerStore, SaysWithoutAskingTwiceThatAnImageCannotBeHad) {
  for (int i = 0; i < 3; ++i) {
    const auto found = tree_.lookup(LayerStoreTree::kRoot, base64_encode("reg.example/other:1"));
    ASSERT_FALSE(found);
    EXPECT_TRUE(found.error().is(EIO)) << "it may be there another time";
    EXPECT_NE(found.error().message().find("nobody knows"), std::string::npos);
  }
  EXPECT_EQ(asked_.size(), 1U);
  EXPECT_TRUE(tree_.lookup(LayerStoreTree::kRoot, "no base64!").error().is(ENOENT));
  EXPECT_TRUE(tree_.list(LayerStoreTree::kRoot)->empty());
}

TEST_F(LayerStore, RemembersNoNameThatIsNoImage) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(at({base64_encode("reg.example/other:" + std::to_string(i))}), 0U);
  EXPECT_EQ(at({base64_encode(kName)}), LayerStoreTree::kRoot + 1) << "the first it has";
}

TEST(OfferedLayers, AreReadFromLines) {
  const std::string digest = Digest::of("a").str(), diff = Digest::of("b").str();
  const auto read = parse_offered(digest + " " + diff + " 123 4 //tar/digest=sha256-" + Digest::of("a").hex() + "+lazy/store/a b\n");
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->size(), 1U);
  EXPECT_EQ(read->front().digest.str(), digest);
  EXPECT_EQ(read->front().diff_id.str(), diff);
  EXPECT_EQ(read->front().size, 123U);
  EXPECT_EQ(read->front().packing, 4);
  EXPECT_EQ(read->front().spec.path, "/store/a b");
  EXPECT_TRUE(read->front().spec.lazy);
  for (const char* wrong : {"x", "\n", "sha256:00 sha256:00 1 2 /a\n"}) EXPECT_TRUE(parse_offered(wrong).error().is(EBADMSG)) << wrong;
}

TEST(OfferedLayers, AreAskedOfACommandWhoseWordsAreTheError) {
  EXPECT_TRUE(ask_command({"true"})("name", Ask::if_unknown)->empty());
  const auto failed = ask_command({"sh", "-c", "echo \"no $3\" >&2; exit 1", "sh"})("name:1", Ask::anew);
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message().find("name:1: no name:1"), std::string::npos) << failed.error().message();
}

}  // namespace
}  // namespace acetate::fs
