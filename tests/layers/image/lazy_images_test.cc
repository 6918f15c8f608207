#include "layers/image/lazy_images.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "base/sys/file.h"
#include "layers/image/image_collect.h"
#include "layers/stream/partial_blob.h"
#include "tests/layers/image/sample.h"
#include "tests/support/temp_dir.h"

namespace acetate::image {
namespace {

using test::amd64;

class LazyImagesTest : public testing::Test {
 protected:
  explicit LazyImagesTest(test::Sample sample = {}) : sample_(std::move(sample)) {}
  const test::TempDir dir_;
  const StorePlace place_{.dir = dir_ / "store"};
  const LazyImages images_{place_.dir};
  const test::Sample sample_;
  const Reference name_ = *parse_reference("reg.example/team/app:1");
  const Descriptor target_{.media_type = sample_.manifest.media_type,
                           .digest = sample_.manifest.digest(),
                           .size = sample_.manifest.text.size()};

  // The documents and the layer at the bottom are here, the one at the top is not.
  void SetUp() override {
    const auto store = *ImageStore::open(place_);
    for (const auto* blob : {&sample_.layers[0], &sample_.config, &sample_.manifest})
      ASSERT_TRUE(store->put_blob(blob->text, blob->media_type, blob->algorithm));
    ASSERT_TRUE(PartialBlob::make(images_.dir(), {.blob = top().digest(), .size = top().text.size()}));
    ASSERT_TRUE(images_.set_reference(name_, target_));
  }
  const test::Blob& top() const { return sample_.layers[1]; }
  void top_arrives() { ASSERT_TRUE((*ImageStore::open(place_))->put_blob(top().text, top().media_type, top().algorithm)); }
  bool is_in_store() const { return (*ImageStore::open_to_read(place_))->find("reg.example/team/app:1").has_value(); }
};

TEST_F(LazyImagesTest, KnowsAnImageByNameAndWhichLayersAreNotHere) {
  const auto stored = images_.find("reg.example/team/app:1");
  ASSERT_TRUE(stored);
  const auto image = images_.open_image(*stored, amd64());
  ASSERT_TRUE(image) << image.error().message();
  ASSERT_EQ(image->layers.size(), 2u);
  EXPECT_FALSE(image->layers[0].spec.lazy);
  EXPECT_TRUE(image->layers[1].spec.lazy);
  EXPECT_TRUE(parse_layer_spec(image->lowers()[0])->lazy);
  EXPECT_TRUE(images_.find("reg.example/team/app:2").error().is(ENOENT));
  EXPECT_FALSE(is_in_store());
}

class LazyImagesBySha512 : public LazyImagesTest {
 protected:
  LazyImagesBySha512() : LazyImagesTest(test::Sample::by_sha512()) {}
};

TEST_F(LazyImagesBySha512, AreShownSweptAndGivenToTheStoreAsOthers) {
  const auto image = images_.open_image(*images_.find("reg.example/team/app:1"), amd64());
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_TRUE(image->layers[1].spec.lazy);
  ASSERT_TRUE(PartialBlob::make(images_.dir(), {.blob = Digest::of("nobody's", Digest::Algorithm::sha512), .size = 8}));
  ASSERT_TRUE(collect(place_, {}));
  EXPECT_TRUE(std::filesystem::exists(images_.dir() + "/" + PartialBlob::data_name(top().digest())));
  EXPECT_FALSE(std::filesystem::exists(images_.dir() + "/" + PartialBlob::data_name(Digest::of("nobody's", Digest::Algorithm::sha512))));
  top_arrives();
  ASSERT_TRUE(images_.settle());
  EXPECT_TRUE(is_in_store());
}

TEST_F(LazyImagesTest, CountAndGoWithTheOthersWhenTheStoreHasOutgrownItsLimit) {
  const auto blob = PartialBlob::open(images_.dir(), top().digest());
  ASSERT_TRUE(blob);
  ASSERT_TRUE((*blob)->put(0, std::as_bytes(std::span(top().text))));
  const auto all = collect(place_, {.dry_run = true});
  ASSERT_TRUE(all) << all.error().message();
  EXPECT_GE(all->left, top().text.size() + sample_.layers[0].text.size());
  EXPECT_EQ(all->freed, 0u);

  auto kept = collect(place_, {.max_bytes = all->left});
  ASSERT_TRUE(kept) << kept.error().message();
  EXPECT_TRUE(kept->images.empty());
  // Somebody reads it: its name goes, and what he reads stays.
  auto collected = collect(place_, {.max_bytes = 0});
  ASSERT_TRUE(collected) << collected.error().message();
  ASSERT_EQ(collected->images.size(), 1u);
  EXPECT_TRUE(images_.list()->empty());
  EXPECT_TRUE(std::filesystem::exists(images_.dir() + "/" + PartialBlob::data_name(top().digest())));
  EXPECT_FALSE(*(*ImageStore::open(place_))->has_blob(sample_.manifest.digest()));
  EXPECT_GE(collected->left, top().text.size());
}

TEST_F(LazyImagesTest, GoWhenNobodyHasUsedThem) {
  const auto recent = collect(place_, {.unused_since = ::time(nullptr) - 3600});
  ASSERT_TRUE(recent) << recent.error().message();
  EXPECT_TRUE(recent->images.empty());
  const timespec old[2] = {{.tv_sec = 1000, .tv_nsec = 0}, {.tv_sec = 1000, .tv_nsec = 0}};
  const auto manifest = place_.dir + "/blobs/sha256/" + sample_.manifest.digest().hex();
  ASSERT_TRUE(sys::set_times(FileAt{kWorkingDir, manifest.c_str()}, old));
  ASSERT_TRUE(images_.open_image(*images_.find("reg.example/team/app:1"), amd64()));
  EXPECT_TRUE(collect(place_, {.unused_since = 1500})->images.empty()) << "opening it is using it";
  ASSERT_TRUE(sys::set_times(FileAt{kWorkingDir, manifest.c_str()}, old));

  const auto collected = collect(place_, {.unused_since = 1500});

  ASSERT_TRUE(collected) << collected.error().message();
  EXPECT_EQ(collected->images.size(), 1u);
  EXPECT_TRUE(images_.list()->empty());
  EXPECT_FALSE(std::filesystem::exists(images_.dir() + "/" + PartialBlob::data_name(top().digest())));
}

TEST_F(LazyImagesTest, GivesAnImageToTheStoreWhenItIsWhole) {
  ASSERT_TRUE(images_.settle());
  EXPECT_FALSE(is_in_store());
  top_arrives();
  ASSERT_TRUE(images_.settle());
  EXPECT_TRUE(is_in_store());
  EXPECT_TRUE(images_.list()->empty());
}

TEST_F(LazyImagesTest, IsSparedByGarbageCollectionUntilItIsForgotten) {
  ASSERT_TRUE(collect(place_, {}));
  const auto stored = images_.find("reg.example/team/app:1");
  ASSERT_TRUE(stored);
  EXPECT_TRUE(images_.open_image(*stored, amd64()));

  {
    const auto reader = PartialBlob::open(images_.dir(), top().digest());
    ASSERT_TRUE(images_.remove_reference(name_));
    EXPECT_TRUE(images_.remove_reference(name_).error().is(ENOENT));
    ASSERT_TRUE(collect(place_, {}));
    EXPECT_TRUE(PartialBlob::open(images_.dir(), top().digest())) << "somebody reads it";
  }
  ASSERT_TRUE(collect(place_, {}));
  EXPECT_TRUE(PartialBlob::open(images_.dir(), top().digest()).error().is(ENOENT));
  EXPECT_TRUE(std::filesystem::is_empty(place_.dir + "/blobs/sha256"));
}

TEST_F(LazyImagesTest, LeavesANameToTheStoreThatHasBeenGivenItMeanwhile) {
  const auto store = *ImageStore::open(place_);
  const auto newer = *store->put_blob(sample_.manifest.text + " ", sample_.manifest.media_type);
  top_arrives();
  ASSERT_TRUE(store->set_reference(name_, newer));
  ASSERT_TRUE(images_.set_reference(name_, target_)) << "by a mount that had begun before";
  ASSERT_TRUE(images_.settle());
  EXPECT_EQ(store->find("reg.example/team/app:1")->target, newer);
  EXPECT_TRUE(store->find(target_.digest.str())) << "it stays, without a name";
  EXPECT_TRUE(images_.list()->empty());
}

TEST_F(LazyImagesTest, IsForgottenWhenTheStoreGivesItsNameToAnotherImage) {
  const auto other = *parse_reference("reg.example/team/app:2");
  ASSERT_TRUE(images_.set_reference(other, target_));
  const auto store = *ImageStore::open(place_);
  const auto newer = *store->put_blob(sample_.manifest.text + " ", sample_.manifest.media_type);
  top_arrives();
  ASSERT_TRUE(store->set_reference(name_, target_));
  EXPECT_TRUE(images_.find(name_.str())) << "it is the same image";
  ASSERT_TRUE(store->set_reference(name_, newer));
  EXPECT_TRUE(images_.find(name_.str()).error().is(ENOENT));
  EXPECT_TRUE(images_.find(other.str()));
}

TEST_F(LazyImagesTest, IsForgottenWithItsNameInTheStore) {
  const auto other = *parse_reference("reg.example/team/app:2");
  const auto store = *ImageStore::open(place_);
  top_arrives();
  for (const auto& name : {name_, other}) {
    ASSERT_TRUE(store->set_reference(name, target_));
    ASSERT_TRUE(images_.set_reference(name, target_));
  }
  ASSERT_TRUE(store->remove_reference(name_));
  EXPECT_TRUE(images_.find(name_.str()).error().is(ENOENT));
  EXPECT_TRUE(images_.find(other.str()));
  ASSERT_TRUE(store->remove_image(target_.digest));
  EXPECT_TRUE(images_.list()->empty());
}

TEST_F(LazyImagesTest, IsFoundByWhatAShortNameMayStandFor) {
  const LazyImages images{{.dir = place_.dir, .short_names = [](const std::string& text) -> Result<std::vector<std::string>> {
                             return std::vector{"docker.io/library/" + text, "reg.example/team/" + text};
                           }}};
  EXPECT_TRUE(images.find("app:1"));
  EXPECT_TRUE(images.find("other:1").error().is(ENOENT));
  EXPECT_TRUE(images_.find("app:1").error().is(ENOENT)) << "nobody has said so";
}

TEST_F(LazyImagesTest, RemovesANameOnlyFromTheImageThatIsMeant) {
  EXPECT_TRUE(images_.remove_reference(name_, Digest::of("another")).error().is(ENOENT));
  EXPECT_TRUE(images_.find("reg.example/team/app:1"));
  EXPECT_TRUE(images_.remove_reference(name_, target_.digest));
}

TEST_F(LazyImagesTest, IsSparedByGarbageCollectionThoughItsMapIsDamaged) {
  dir_.write("store/.acetate-lazy/" + PartialBlob::map_name(top().digest()), "no map", 0600);
  ASSERT_TRUE(collect(place_, {}));
  const auto needed = images_.needed();
  ASSERT_TRUE(needed) << needed.error().message();
  EXPECT_TRUE(std::ranges::find(*needed, top().digest()) != needed->end());
  EXPECT_TRUE(std::filesystem::exists(images_.dir() + "/" + PartialBlob::data_name(top().digest())));
  const auto below = (*ImageStore::open(place_))->has_blob(sample_.layers[0].digest());
  EXPECT_TRUE(below && *below);

  // What nobody can look at may need anything: nothing is collected.
  std::filesystem::resize_file(images_.dir() + "/" + PartialBlob::data_name(top().digest()), 3);
  EXPECT_FALSE(images_.needed());
  EXPECT_FALSE(collect(place_, {}));
}

TEST_F(LazyImagesTest, LeavesWhatSomebodyBesidesNeeds) {
  ASSERT_TRUE(images_.remove_reference(name_));
  const auto is_there = [&] { return std::filesystem::exists(images_.dir() + "/" + PartialBlob::data_name(top().digest())); };
  ASSERT_TRUE(collect(place_, {.needed_besides = [&]() -> Result<std::set<Digest>> { return std::set{top().digest()}; }}));
  EXPECT_TRUE(is_there());
  ASSERT_TRUE(collect(place_, {}));
  EXPECT_FALSE(is_there());
}

TEST_F(LazyImagesTest, ReplacesANameAndKeepsTheOthers) {
  const auto other = *parse_reference("reg.example/team/app:2");
  ASSERT_TRUE(images_.set_reference(other, target_));
  ASSERT_TRUE(images_.set_reference(name_, target_));
  EXPECT_EQ(images_.list()->size(), 2u);
}

TEST(NoLazyImages, AreNoneWhereThereIsNoStore) {
  const test::TempDir dir;
  const LazyImages images(dir / "none");
  EXPECT_TRUE(images.list()->empty());
  EXPECT_TRUE(images.sweep());
  EXPECT_FALSE(dir.exists("none"));
}

}  // namespace
}  // namespace acetate::image
