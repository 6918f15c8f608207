#include "layers/image/image_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include "base/bytes.h"
#include "base/sys/file.h"
#include "layers/image/blob_writer.h"
#include "layers/image/image_collect.h"
#include "tests/layers/image/sample.h"

namespace acetate::image {
namespace {

using test::Blob;
using test::Sample;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Descriptor descriptor_of(const Blob& blob) { return {blob.media_type, blob.digest(), blob.text.size()}; }

// The blobs of an image, its manifest last.
Descriptor put(Layout& store, const Sample& sample) {
  for (const auto& layer : sample.layers) EXPECT_TRUE(store.put_blob(layer.text, layer.media_type, layer.algorithm));
  EXPECT_TRUE(store.put_blob(sample.config.text, sample.config.media_type, sample.config.algorithm));
  EXPECT_TRUE(store.put_blob(sample.manifest.text, sample.manifest.media_type, sample.manifest.algorithm));
  return descriptor_of(sample.manifest);
}

Sample other_sample() {
  Sample sample;
  sample.layers = {test::layer_blob("other", "file")};
  sample.config = test::config_blob("amd64", sample.layers);
  sample.manifest = test::manifest_blob(sample.config, sample.layers);
  return sample;
}

std::vector<std::string> names_of(const StoredImage& image) {
  std::vector<std::string> names;
  for (const auto& name : image.names) names.push_back(name.str());
  return names;
}

class StoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<ImageStore> open() {
    auto store = ImageStore::open(place);
    EXPECT_TRUE(store) << store.error().message();
    return *std::move(store);
  }
  test::TempDir tmp;
  StorePlace place{.dir = tmp / "images"};
  Sample sample;
};

TEST_F(StoreTest, IsEmptyAndNotMadeWhereSomebodyOnlyLooks) {
  const auto store = ImageStore::open_to_read(place);
  ASSERT_TRUE(store);
  EXPECT_THAT(*(*store)->list(), IsEmpty());
  EXPECT_TRUE((*store)->find("alpine").error().is(ENOENT));
  EXPECT_TRUE((*store)->put_blob("x", "text").error().is(EROFS));
  EXPECT_FALSE(sys::stat_following(place.dir));
}

TEST_F(StoreTest, FindsAnImageByEverythingItIsCalled) {
  const auto store = open();
  ASSERT_TRUE(store->set_reference("alpine:3", put(*store, sample)));
  const auto manifest = sample.manifest.digest(), config = sample.config.digest();
  const std::string names[] = {"alpine:3", "docker.io/library/alpine:3", "index.docker.io/alpine:3", config.str(),
                               config.hex(), config.hex().substr(0, 12), config.hex().substr(0, 3), manifest.str(),
                               "alpine@" + manifest.str(), "alpine:whatever@" + manifest.str()};
  for (const auto& name : names) {
    const auto image = store->find_image(name, test::amd64());
    ASSERT_TRUE(image) << name << ": " << image.error().message();
    EXPECT_EQ(image->name, name);
    EXPECT_EQ(image->manifest_digest, manifest);
    EXPECT_EQ(test::bytes_of(image->layers[0].spec), sample.layers[0].text);
  }
  for (const auto& name : {std::string("alpine"), std::string("user/alpine:3"), std::string("ab"),
                           "other@" + manifest.str(), std::string(64, '0')})
    EXPECT_TRUE(store->find(name).error().is(ENOENT)) << name;
  EXPECT_TRUE(store->find("Alpine").error().is(EINVAL));
}

TEST_F(StoreTest, FindsShortNamesBelowLocalhostToo) {
  const auto store = open();
  ASSERT_TRUE(store->set_reference("localhost/app", put(*store, sample)));
  EXPECT_EQ(store->find("app")->target.digest, sample.manifest.digest());

  const auto other = other_sample();
  ASSERT_TRUE(store->set_reference("app", put(*store, other)));
  EXPECT_EQ(store->find("app")->target.digest, other.manifest.digest()) << "docker's own meaning comes first";
}

TEST_F(StoreTest, FindsShortNamesWhereTheyMayHaveComeFrom) {
  place.short_names = [](const std::string& text) -> Result<std::vector<std::string>> {
    if (text == "broken") return fail(EINVAL, "the configuration is none");
    return std::vector{"reg.example/first/" + text, "docker.io/library/" + text, "reg.example/last/" + text};
  };
  const auto store = open();
  ASSERT_TRUE(store->set_reference("reg.example/last/app:1", put(*store, sample)));
  EXPECT_EQ(store->find("app:1")->target.digest, sample.manifest.digest());
  EXPECT_TRUE(store->find("user/app:1").error().is(ENOENT));
  EXPECT_TRUE(store->find("broken").error().is(EINVAL));

  const auto other = other_sample();
  ASSERT_TRUE(store->set_reference("reg.example/first/app:1", put(*store, other)));
  EXPECT_EQ(store->find("app:1")->target.digest, other.manifest.digest()) << "the first is the best";
}

TEST_F(StoreTest, AskedWithTheBeginningOfSeveralIdsSaysSo) {
  const auto store = open();
  // One id in each of 4096 beginnings of three digits: among that many images and one more, two share theirs.
  std::map<std::string, std::string> seen;
  for (int i = 0; i < 300; ++i) {
    Sample one;
    one.layers = {test::layer_blob("n", std::to_string(i))};
    one.config = test::config_blob("amd64", one.layers);
    one.manifest = test::manifest_blob(one.config, one.layers);
    put(*store, one);
    ASSERT_TRUE(store->keep_unnamed(descriptor_of(one.manifest)));
    const auto id = one.config.digest().hex();
    const auto [at, is_new] = seen.emplace(id.substr(0, 3), id);
    if (is_new) continue;
    const auto found = store->find(id.substr(0, 3));
    ASSERT_FALSE(found);
    EXPECT_TRUE(found.error().is(EINVAL));
    EXPECT_THAT(found.error().message(), HasSubstr("is the beginning of 2 images' ids; say more of it"));
    EXPECT_TRUE(store->find(id));
    return;
  }
  FAIL() << "no two ids begin alike";
}

TEST_F(StoreTest, GivesAnImageSeveralNamesAndListsItOnce) {
  const auto store = open();
  const auto target = put(*store, sample);
  for (const char* name : {"app", "app:v1", "quay.io/app:v1"}) ASSERT_TRUE(store->set_reference(name, target));

  const auto images = *store->list();

  ASSERT_THAT(images, SizeIs(1));
  EXPECT_THAT(names_of(images[0]), ElementsAre("docker.io/library/app:latest", "docker.io/library/app:v1", "quay.io/app:v1"));
}

TEST_F(StoreTest, KeepsAnImageWhoseNameIsMovedWithoutAName) {
  const auto store = open();
  const auto first = put(*store, sample), second = put(*store, other_sample());
  ASSERT_TRUE(store->set_reference("app", first));
  ASSERT_TRUE(store->set_reference("app", second));

  auto images = *store->list();
  ASSERT_THAT(images, SizeIs(2));
  EXPECT_EQ(images[0].target, first);
  EXPECT_THAT(images[0].names, IsEmpty());
  EXPECT_EQ(store->find("app")->target, second);

  ASSERT_TRUE(store->set_reference("back", first));
  images = *store->list();
  ASSERT_THAT(images, SizeIs(2));
  EXPECT_THAT(names_of(images[1]), ElementsAre("docker.io/library/back:latest"));
}

TEST_F(StoreTest, MovesNoNameWhenItIsSetAgain) {
  const auto store = open();
  const auto target = put(*store, sample);
  ASSERT_TRUE(store->set_reference("app", target));
  ASSERT_TRUE(store->set_reference("docker.io/library/app:latest", target));
  ASSERT_THAT(*store->list(), SizeIs(1));
  EXPECT_THAT(names_of((*store->list())[0]), SizeIs(1));
}

TEST_F(StoreTest, RemovesNamesAndImages) {
  const auto store = open();
  ASSERT_TRUE(store->set_reference("app", put(*store, sample)));
  const auto app = *parse_reference("app");

  ASSERT_TRUE(store->remove_reference(app));
  EXPECT_TRUE(store->remove_reference(app).error().is(ENOENT));
  ASSERT_THAT(*store->list(), SizeIs(1)) << "without a name, but there";
  ASSERT_TRUE(store->remove_image(sample.manifest.digest()));
  EXPECT_TRUE(store->remove_image(sample.manifest.digest()).error().is(ENOENT));
  EXPECT_THAT(*store->list(), IsEmpty());
}

TEST_F(StoreTest, ForgetsAnImageWithItsLastNameWhateverWasNamedMeanwhile) {
  const auto store = open();
  const auto target = put(*store, sample);
  const auto app = *parse_reference("app"), other = *parse_reference("other");
  ASSERT_TRUE(store->set_reference(app, target));
  // Whoever removes "app" saw one name; then somebody else gives another.
  ASSERT_THAT(store->find("app")->names, SizeIs(1));
  ASSERT_TRUE(open()->set_reference(other, target));
  const auto may_go = [] { return Result<void>(); };
  const auto never = []() -> Result<void> { return fail(EBUSY, "a container lies on it"); };

  EXPECT_TRUE(store->remove_image(target.digest, 1).error().is(EBUSY));
  const auto went = store->remove_last_reference(app, target.digest, never);
  ASSERT_TRUE(went) << went.error().message();
  EXPECT_FALSE(*went);
  ASSERT_THAT(*store->list(), SizeIs(1));
  EXPECT_THAT(names_of((*store->list())[0]), ElementsAre("docker.io/library/other:latest"));

  EXPECT_TRUE(store->remove_last_reference(app, target.digest, may_go).error().is(ENOENT));
  EXPECT_TRUE(store->remove_last_reference(other, Digest::of("another image"), may_go).error().is(ENOENT));
  EXPECT_TRUE(store->remove_last_reference(other, target.digest, never).error().is(EBUSY));
  EXPECT_TRUE(store->find("other"));
  EXPECT_TRUE(*store->remove_last_reference(other, target.digest, may_go));
  EXPECT_THAT(*store->list(), IsEmpty());
}

TEST_F(StoreTest, NamesNothingThatIsNotThere) {
  const auto store = open();
  const auto target = put(*store, sample);
  ASSERT_TRUE(sys::unlink(FileAt{kWorkingDir, store->blob_path(sample.layers[1].digest()).c_str()}));

  const auto set = store->set_reference("app", target);

  ASSERT_FALSE(set);
  EXPECT_THAT(set.error().message(), HasSubstr("the image is incomplete"));
  EXPECT_THAT(*store->list(), IsEmpty());
}

TEST_F(StoreTest, VerifiesWhatIsAnnouncedWhileItIsWritten) {
  const auto store = open();
  const auto expected = descriptor_of(sample.layers[0]);
  const auto& text = sample.layers[0].text;

  const auto good = *store->new_blob(expected);
  ASSERT_TRUE(good->write(as_bytes("begun and given up")));
  ASSERT_TRUE(good->restart());
  ASSERT_TRUE(good->write(as_bytes(text)));
  EXPECT_EQ(good->size(), text.size());
  EXPECT_THAT(good->write(as_bytes("x")).error().message(), HasSubstr("is longer than the"));
  EXPECT_EQ(*good->commit(expected.media_type), expected);

  const auto fewer = *store->new_blob(expected);
  ASSERT_TRUE(fewer->write(as_bytes(text.substr(1))));
  EXPECT_THAT(fewer->commit("x").error().message(), HasSubstr("ends after"));

  const auto damaged = *store->new_blob(descriptor_of(sample.layers[1]));
  ASSERT_TRUE(damaged->write(as_bytes(text)));
  EXPECT_THAT(damaged->commit("x").error().message(), HasSubstr("is damaged or not what it says"));
  EXPECT_FALSE(*store->has_blob(sample.layers[1].digest()));
}

TEST_F(StoreTest, KnowsImagesThatAreNamedBySha512) {
  const auto store = open();
  const auto named = Sample::by_sha512();
  const auto target = put(*store, named);
  ASSERT_TRUE(store->set_reference("app:512", target));
  EXPECT_EQ(tmp.read("images/" + named.layers[0].name()), named.layers[0].text);

  const std::string hex = named.manifest.digest().hex(), config = named.config.digest().hex();
  for (const std::string& text : {std::string("app:512"), "app@sha512:" + hex, "sha512:" + hex, hex, hex.substr(0, 64), hex.substr(0, 12),
                                  "sha512:" + config.substr(0, 12), config.substr(0, 4)}) {
    const auto found = store->find(text);
    ASSERT_TRUE(found) << text << ": " << found.error().message();
    EXPECT_EQ(found->target, target);
  }
  EXPECT_FALSE(store->find("sha256:" + hex.substr(0, 12))) << "an id of the other kind";
  const auto image = store->find_image("app:512", test::amd64());
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->id, named.config.digest());
  EXPECT_EQ(parse_layer_spec(image->lowers()[0])->digest, named.layers[1].digest());

  tmp.write("images/" + named.manifest.name(), std::string(named.manifest.text.size(), ' '));
  EXPECT_THAT(store->find_image("app:512", test::amd64()).error().message(), HasSubstr("is damaged or not what it says"));
}

TEST_F(StoreTest, ReadsABlobAgainThatIsToBeNamedOtherwiseThanItBegan) {
  const auto store = open();
  const auto writer = *store->new_blob();
  ASSERT_TRUE(writer->write(as_bytes("begun ")));
  ASSERT_TRUE(writer->hash_by(Digest::Algorithm::sha512));
  ASSERT_TRUE(writer->write(as_bytes("and ended")));
  const auto put = writer->commit("x");
  ASSERT_TRUE(put) << put.error().message();
  EXPECT_EQ(put->digest, Digest::of("begun and ended", Digest::Algorithm::sha512));
  EXPECT_EQ(put->size, 15U);
  EXPECT_TRUE(*store->has_blob(put->digest));
}

// A transfer that breaks off, and who goes on with it.
class StoreParts : public StoreTest {
 protected:
  const std::string text_ = std::string(3 << 20, 'a') + "the end";
  Descriptor blob_{.media_type = "x", .digest = Digest::of(text_), .size = text_.size()};
  std::string part() const { return "images/.acetate-part-" + blob_.digest.hex(); }
  // As whoever pulls into the store does it.
  std::unique_ptr<BlobWriter> resume() {
    open();
    const auto dir = sys::open(place.dir, O_RDONLY | O_DIRECTORY);
    EXPECT_TRUE(dir);
    auto writer = resume_blob_writer(dir->ref(), blob_);
    EXPECT_TRUE(writer) << writer.error().message();
    return *std::move(writer);
  }
  void leave(std::size_t bytes) {
    const auto writer = resume();
    ASSERT_TRUE(writer->write(as_bytes(text_).subspan(writer->size(), bytes)));
  }
};

TEST_F(StoreParts, AreGoneOnWithByTheNextOneWhoWantsTheBlob) {
  leave(1 << 20);
  leave(100);
  const auto writer = resume();
  EXPECT_EQ(writer->size(), (1U << 20) + 100);
  ASSERT_TRUE(writer->write(as_bytes(text_).subspan(writer->size())));
  EXPECT_EQ(*writer->commit("x"), blob_);
  EXPECT_EQ(tmp.read("images/blobs/sha256/" + blob_.digest.hex()), text_);
  EXPECT_FALSE(tmp.exists(part()));
}

TEST_F(StoreParts, OfABlobNamedBySha512AreItsOwn) {
  leave(1 << 20);
  blob_.digest = Digest::of(text_, Digest::Algorithm::sha512);
  leave(100);
  const auto writer = resume();
  EXPECT_EQ(writer->size(), 100U);
  ASSERT_TRUE(writer->write(as_bytes(text_).subspan(writer->size())));
  EXPECT_EQ(*writer->commit("x"), blob_);
  EXPECT_EQ(tmp.read("images/blobs/sha512/" + blob_.digest.hex()), text_);
}

TEST_F(StoreParts, ThatTurnOutWrongAreForgotten) {
  leave(1 << 20);
  auto bytes = tmp.read(part());
  bytes[5000] = 'b';
  tmp.write(part(), bytes);
  {
    const auto writer = resume();
    ASSERT_TRUE(writer->write(as_bytes(text_).subspan(writer->size())));
    EXPECT_TRUE(writer->commit("x").error().is(EBADMSG));
  }
  EXPECT_FALSE(*open()->has_blob(blob_.digest));
  EXPECT_EQ(resume()->size(), 0U);
}

TEST_F(StoreParts, AreLeftToWhoeverWritesThem) {
  leave(1 << 20);
  const auto first = resume(), second = resume();
  EXPECT_EQ(first->size(), 1U << 20);
  EXPECT_EQ(second->size(), 0U);
  ASSERT_TRUE(second->write(as_bytes(text_)));
  EXPECT_TRUE(second->commit("x"));
  ASSERT_TRUE(first->write(as_bytes(text_).subspan(first->size())));
  EXPECT_TRUE(first->commit("x"));
}

// Two find a part, and one of them is done with it before the other comes to lock it.
TEST_F(StoreParts, ThatWereGivenTheirNameMeanwhileAreNotTakenForParts) {
  leave(1 << 20);
  const auto dir = *sys::open(place.dir, O_RDONLY | O_DIRECTORY);
  const auto found = [&] { return *sys::open(tmp / part(), O_RDWR); };
  Fd second = found(), third = found();
  {
    const auto first = resume();
    ASSERT_TRUE(first->write(as_bytes(text_).subspan(first->size())));
    ASSERT_TRUE(first->commit("x"));
  }
  const auto late = take_up_part(dir.ref(), std::move(second), blob_);
  ASSERT_TRUE(late) << late.error().message();
  EXPECT_EQ(*late, nullptr) << "it is the blob, by its own name";

  leave(100);
  const auto later = take_up_part(dir.ref(), std::move(third), blob_);
  ASSERT_TRUE(later) << later.error().message();
  EXPECT_EQ(*later, nullptr) << "another part has the name";

  const auto last = take_up_part(dir.ref(), found(), blob_);
  ASSERT_TRUE(last && *last);
  EXPECT_EQ((*last)->size(), 100U);
  EXPECT_EQ(tmp.read("images/blobs/sha256/" + blob_.digest.hex()), text_);
}

TEST_F(StoreParts, WhoseNameAnotherFileHasPublishNothing) {
  const auto store = open();
  {
    const auto writer = resume();
    ASSERT_TRUE(writer->write(as_bytes(text_)));
    ASSERT_TRUE(sys::rename(FileAt{kWorkingDir, (tmp / part()).c_str()}, FileAt{kWorkingDir, (tmp / "images/elsewhere").c_str()}));
    tmp.write(part(), "somebody else's");
    const auto put = writer->commit("x");
    ASSERT_FALSE(put);
    EXPECT_TRUE(put.error().is(ESTALE)) << put.error().message();
  }
  EXPECT_FALSE(*store->has_blob(blob_.digest));
  EXPECT_EQ(tmp.read(part()), "somebody else's");
}

TEST_F(StoreParts, GoAfterAWeekOrWhenGarbageIsCollected) {
  leave(1 << 20);
  open();
  EXPECT_TRUE(tmp.exists(part()));
  const timespec old[2] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
  ASSERT_TRUE(sys::set_times(FileAt{kWorkingDir, (tmp / part()).c_str()}, old));
  open();
  EXPECT_FALSE(tmp.exists(part()));

  leave(1 << 20);
  ASSERT_TRUE(collect(place, {}));
  EXPECT_FALSE(tmp.exists(part()));
}

TEST_F(StoreTest, MayLackTheOtherPlatformsOfAnIndex) {
  const auto store = open();
  put(*store, sample);
  const auto arm_config = test::config_blob("arm64", sample.layers);
  const auto arm = test::manifest_blob(arm_config, sample.layers);
  const auto index = test::index_blob({sample.manifest.descriptor(R"("platform":{"os":"linux","architecture":"amd64"})"),
                                       arm.descriptor(R"("platform":{"os":"linux","architecture":"arm64"})")});
  ASSERT_TRUE(store->put_blob(index.text, index.media_type));
  ASSERT_TRUE(store->set_reference("app", descriptor_of(index)));

  EXPECT_TRUE(store->find_image("app", test::amd64()));
  EXPECT_THAT(store->find_image("app", test::arm64()).error().message(),
              HasSubstr("has no image for linux/arm64; it has linux/amd64, linux/arm64 (not fetched)"));
  EXPECT_TRUE(store->find_image("app@" + sample.manifest.digest().str(), test::amd64()));

  const auto empty = test::index_blob({arm.descriptor()});
  ASSERT_TRUE(store->put_blob(empty.text, empty.media_type));
  EXPECT_TRUE(store->set_reference("none", descriptor_of(empty)).error().is(ENOENT));
}

TEST_F(StoreTest, ReadsImagesOfSharedStoresAndWritesNothingThere) {
  {
    auto theirs = *ImageStore::open({.dir = tmp / "theirs"});
    ASSERT_TRUE(theirs->set_reference("shared", put(*theirs, sample)));
  }
  place.shared = {tmp / "nosuch", tmp / "theirs"};
  const auto store = open();

  const auto found = store->find("shared");
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->is_shared);
  EXPECT_EQ(found->store, tmp / "theirs");
  EXPECT_EQ(store->find_image("shared", test::amd64())->layers[0].spec.path.find(tmp / "theirs"), 0U);
  EXPECT_TRUE(store->remove_image(sample.manifest.digest()).error().is(ENOENT));

  const auto other = other_sample();
  ASSERT_TRUE(store->set_reference("shared", put(*store, other)));
  EXPECT_EQ(store->find("shared")->target.digest, other.manifest.digest()) << "our own come first";
}

TEST_F(StoreTest, BringsBlobsOverFromSharedStoresAndVerifiesThem) {
  {
    auto theirs = *ImageStore::open({.dir = tmp / "theirs"});
    put(*theirs, sample);
    // Somebody has damaged it since.
    tmp.write("theirs/blobs/sha256/" + sample.layers[1].digest().hex(), std::string(sample.layers[1].text.size(), 'x'));
  }
  place.shared = {tmp / "theirs"};
  const auto store = open();

  EXPECT_FALSE(*store->has_blob(sample.layers[0].digest()));
  const auto brought = store->bring(descriptor_of(sample.layers[0]));
  ASSERT_TRUE(brought) << brought.error().message();
  EXPECT_TRUE(*brought);
  EXPECT_TRUE(*store->has_blob(sample.layers[0].digest()));
  const auto damaged = store->bring(descriptor_of(sample.layers[1]));
  ASSERT_TRUE(damaged) << damaged.error().message();
  EXPECT_FALSE(*damaged);
  EXPECT_FALSE(*store->has_blob(sample.layers[1].digest()));
}

TEST_F(StoreTest, IsHeldWhileAnybodyHasItOpen) {
  ASSERT_TRUE(open()->set_reference("app", put(*open(), sample)));
  const auto lock = *sys::open(tmp / "images/.acetate-lock", O_RDONLY);
  const auto is_free = [&] { return sys::flock(lock.ref(), LOCK_EX | LOCK_NB).has_value(); };

  auto reader = ImageStore::open_to_read(place);
  ASSERT_TRUE(reader);
  EXPECT_FALSE(is_free());
  reader->reset();
  EXPECT_TRUE(is_free());
}

TEST_F(StoreTest, LeavesNamesOfOthersAsTheyAre) {
  test::write_to(tmp, "images", sample.oci());
  tmp.write("images/index.json",
            test::index_blob({sample.manifest.descriptor(
                                 R"("annotations":{"org.opencontainers.image.ref.name":"Odd Name","x":"y"},"data":"e30=")")})
                .text);
  const auto store = open();

  ASSERT_THAT(*store->list(), SizeIs(1));
  EXPECT_THAT((*store->list())[0].names, IsEmpty());
  ASSERT_TRUE(store->set_reference("app", descriptor_of(sample.manifest)));
  EXPECT_THAT(tmp.read("images/index.json"), HasSubstr("Odd Name"));
  EXPECT_THAT(tmp.read("images/index.json"), HasSubstr("e30="));
}

}  // namespace
}  // namespace acetate::image
