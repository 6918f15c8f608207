#include "layers/image/image_collect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <ctime>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "layers/image/expected_blobs.h"
#include "tests/layers/image/sample.h"

namespace acetate::image {
namespace {

using test::Sample;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Sample numbered(int number) {
  Sample sample;
  sample.layers = {test::layer_blob("shared", "by all"), test::layer_blob("own", std::to_string(number))};
  sample.config = test::config_blob("amd64", sample.layers);
  sample.manifest = test::manifest_blob(sample.config, sample.layers);
  return sample;
}

// An artifact that says something about what `subject` is the digest of.
Sample referring_to(const Digest& subject, const std::string& what) {
  Sample sample;
  sample.layers = {test::layer_blob("said", what)};
  sample.config = {.text = "{}", .media_type = "application/vnd.oci.empty.v1+json"};
  sample.manifest = test::manifest_blob(sample.config, sample.layers);
  sample.manifest.text.pop_back();
  sample.manifest.text += R"(,"artifactType":"text/plain","subject":{"mediaType":"x","size":1,"digest":")" + subject.str() + R"("}})";
  return sample;
}

class CollectTest : public ::testing::Test {
 protected:
  // Under a name, used last that many seconds after 1970.
  void put(const Sample& sample, const std::string& name, std::time_t used = 1000) {
    const auto store = *ImageStore::open(place);
    for (const auto& layer : sample.layers) ASSERT_TRUE(store->put_blob(layer.text, layer.media_type, layer.algorithm));
    ASSERT_TRUE(store->put_blob(sample.config.text, sample.config.media_type, sample.config.algorithm));
    const auto manifest = store->put_blob(sample.manifest.text, sample.manifest.media_type, sample.manifest.algorithm);
    ASSERT_TRUE(name.empty() ? store->keep_unnamed(*manifest) : store->set_reference(name, *manifest));
    const timespec times[2] = {{.tv_sec = used, .tv_nsec = 0}, {.tv_sec = used, .tv_nsec = 0}};
    ASSERT_TRUE(sys::set_times(FileAt{kWorkingDir, store->blob_path(manifest->digest).c_str()}, times));
  }
  bool has(const test::Blob& blob) { return *(*ImageStore::open(place))->has_blob(blob.digest()); }

  test::TempDir tmp;
  StorePlace place{.dir = tmp / "images"};
  Sample one = numbered(1), two = numbered(2);
};

TEST_F(CollectTest, RemovesWhatNoImageHasAndKeepsWhatAnyHas) {
  put(one, "one");
  put(two, "two");
  ASSERT_TRUE((*ImageStore::open(place))->put_blob("left over", "text"));
  ASSERT_TRUE((*ImageStore::open(place))->remove_image(one.manifest.digest()));

  const auto collected = collect(place, {});

  ASSERT_TRUE(collected) << collected.error().message();
  EXPECT_THAT(collected->images, IsEmpty());
  EXPECT_THAT(collected->blobs, SizeIs(4)) << "own layer, config, manifest and the left over";
  EXPECT_FALSE(has(one.layers[1]));
  EXPECT_TRUE((*ImageStore::open(place))->find_image("two", test::amd64()));
}

TEST_F(CollectTest, KnowsBlobsThatAreNamedBySha512) {
  const auto named = Sample::by_sha512();
  put(named, "named");
  put(one, "one");
  ASSERT_TRUE((*ImageStore::open(place))->put_blob("left over", "text", Digest::Algorithm::sha512));

  const auto first = collect(place, {});
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_THAT(first->blobs, SizeIs(1));
  EXPECT_TRUE((*ImageStore::open(place))->find_image("named", test::amd64()));

  ASSERT_TRUE((*ImageStore::open(place))->remove_image(named.manifest.digest()));
  const auto second = collect(place, {});
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_THAT(second->blobs, SizeIs(4));
  EXPECT_FALSE(has(named.layers[0]));
  EXPECT_TRUE(has(one.layers[0]));
}

TEST_F(CollectTest, KeepsWhatRefersToAnImageForAsLongAsThat) {
  put(one, "one", 2000);
  const auto sbom = referring_to(one.manifest.digest(), "sbom"), signature = referring_to(sbom.manifest.digest(), "signature of the sbom"),
             stray = referring_to(Digest::of("nothing here"), "stray");
  for (const auto* each : {&signature, &sbom, &stray}) put(*each, "", 1000);

  auto collected = collect(place, {.unused_since = 1500});
  ASSERT_TRUE(collected) << collected.error().message();
  EXPECT_THAT(collected->images, SizeIs(1));
  EXPECT_FALSE(has(stray.manifest));
  for (const Sample* each : std::initializer_list<const Sample*>{&one, &sbom, &signature}) EXPECT_TRUE(has(each->manifest) && has(each->layers[0]) && has(each->config));
  EXPECT_THAT(collect(place, {.dry_run = true, .max_bytes = 0})->images, SizeIs(3));

  ASSERT_TRUE((*ImageStore::open(place))->remove_image(one.manifest.digest()));
  collected = collect(place, {});
  ASSERT_TRUE(collected) << collected.error().message();
  EXPECT_THAT(collected->images, SizeIs(2));
  for (const Sample* each : std::initializer_list<const Sample*>{&one, &sbom, &signature}) EXPECT_FALSE(has(each->manifest) || has(each->layers[0]));
}

TEST_F(CollectTest, KeepsWhatSomebodyIsAboutToName) {
  put(one, "", 1000);
  const auto left = *(*ImageStore::open(place))->put_blob("left over", "text");
  using std::chrono::minutes;
  ASSERT_TRUE(expect_blob(place.dir, one.manifest.digest(), minutes(10)));
  ASSERT_TRUE(expect_blob(place.dir, left.digest, minutes(10)));
  ASSERT_TRUE(expect_blob(place.dir, left.digest, minutes(0))) << "who said less takes nothing back";
  for (const auto& options : {CollectOptions{}, CollectOptions{.unused_since = 5000}, CollectOptions{.max_bytes = 0}})
    EXPECT_THAT(collect(place, options)->blobs, IsEmpty());
  EXPECT_TRUE(has(one.layers[0]) && has(one.config));

  ASSERT_TRUE(expect_no_longer(place.dir, std::array{one.manifest.digest(), Digest::of("never expected")}));
  EXPECT_THAT(collect(place, {})->images, SizeIs(1));
  EXPECT_FALSE(has(one.layers[0]));
  EXPECT_TRUE(*(*ImageStore::open(place))->has_blob(left.digest));
}

TEST_F(CollectTest, ExpectsNothingForEver) {
  const auto left = *(*ImageStore::open(place))->put_blob("left over", "text");
  const std::string mark = place.dir + "/.acetate-expected/" + left.digest.hex();
  ASSERT_TRUE(expect_blob(place.dir, left.digest, std::chrono::minutes(1'000'000)));
  EXPECT_LE(sys::stat_following(mark)->st_mtim.tv_sec, ::time(nullptr) + 15 * 60);
  // The time is over; a clock was wrong.
  for (const std::time_t until : {::time(nullptr) - 1, ::time(nullptr) + 24 * 60 * 60}) {
    const timespec times[2] = {{.tv_sec = until, .tv_nsec = 0}, {.tv_sec = until, .tv_nsec = 0}};
    ASSERT_TRUE(sys::set_times(FileAt{kWorkingDir, mark.c_str()}, times));
    EXPECT_THAT(collect(place, {.dry_run = true})->blobs, SizeIs(1));
  }
  EXPECT_THAT(collect(place, {})->blobs, SizeIs(1));
  EXPECT_FALSE(sys::stat_following(mark));
}

TEST_F(CollectTest, KeepsWhatRefersToAnImageOfASharedStoreOrBelowAnIndex) {
  put(one, "one");
  const StorePlace above{.dir = tmp / "above", .shared = {place.dir}};
  put(two, "");
  const auto index = test::index_blob({two.manifest.descriptor()});
  {
    const auto store = *ImageStore::open(place);
    ASSERT_TRUE(store->set_reference("index", *store->put_blob(index.text, index.media_type)));
    ASSERT_TRUE(store->remove_image(two.manifest.digest()));
  }
  const auto of_two = referring_to(two.manifest.digest(), "of two");
  put(of_two, "");
  const auto own = place;
  place = above;
  const auto of_one = referring_to(one.manifest.digest(), "of one");
  put(of_one, "");

  EXPECT_THAT(collect(above, {})->images, IsEmpty());
  EXPECT_TRUE(has(of_one.manifest));
  EXPECT_THAT(collect(own, {})->images, IsEmpty());
  place = own;
  EXPECT_TRUE(has(of_two.manifest));
}

TEST_F(CollectTest, LeavesWhatIsNeededBesides) {
  put(one, "one");
  ASSERT_TRUE((*ImageStore::open(place))->remove_image(one.manifest.digest()));

  const auto collected = collect(place, {.needed_besides = [&] { return Result(std::set<Digest>{one.layers[0].digest()}); }});

  ASSERT_TRUE(collected) << collected.error().message();
  EXPECT_TRUE(has(one.layers[0]));
  EXPECT_FALSE(has(one.layers[1]));
}

TEST_F(CollectTest, RemovesNothingWhenWhatIsNeededIsNotKnown) {
  put(one, "");

  EXPECT_FALSE(collect(place, {.needed_besides = [] { return Result<std::set<Digest>>(Error(EIO)); }}));

  EXPECT_TRUE(has(one.layers[1]));
  EXPECT_EQ((*ImageStore::open(place))->list()->size(), 1U);
}

TEST_F(CollectTest, TriedOnlySaysWhatWouldGo) {
  put(one, "");
  const auto would = *collect(place, {.dry_run = true});
  EXPECT_THAT(would.images, SizeIs(1));
  EXPECT_TRUE(has(one.layers[1]));

  const auto done = *collect(place, {});
  EXPECT_EQ(done.freed, would.freed);
  EXPECT_THAT(done.blobs, SizeIs(would.blobs.size()));
  EXPECT_FALSE(has(one.layers[1]));
}

TEST_F(CollectTest, KeepsImagesWithoutANameWhereAsked) {
  put(one, "");
  EXPECT_THAT(collect(place, {.unnamed = false})->images, IsEmpty());
  EXPECT_TRUE(has(one.layers[1]));
}

TEST_F(CollectTest, RemovesTheImagesUsedLongestAgoUntilTheRestFits) {
  put(one, "one", 1000);
  put(two, "two", 2000);
  put(numbered(3), "three", 3000);
  const auto all = collect(place, {.dry_run = true})->left;

  const auto collected = *collect(place, {.max_bytes = all - 1});

  ASSERT_THAT(collected.images, SizeIs(1));
  EXPECT_EQ(collected.images[0].target.digest, one.manifest.digest());
  EXPECT_LE(collected.left, all - 1);
  EXPECT_THAT(collect(place, {.dry_run = true, .max_bytes = 0})->images, SizeIs(2));
}

TEST_F(CollectTest, RemovesImagesNotUsedSince) {
  put(one, "one", 1000);
  put(two, "two", 2000);
  const auto collected = *collect(place, {.unused_since = 1500});
  ASSERT_THAT(collected.images, SizeIs(1));
  EXPECT_EQ(collected.images[0].names.at(0).familiar(), "one:latest");
}

TEST_F(CollectTest, KeepsAnImageFreshThatIsOpened) {
  put(one, "one", 1000);
  ASSERT_TRUE((*ImageStore::open_to_read(place))->find_image("one", test::amd64()));
  EXPECT_THAT(collect(place, {.unused_since = 1500})->images, IsEmpty());
}

TEST_F(CollectTest, LeavesAStoreAloneThatIsInUse) {
  put(one, "");
  const auto user = *ImageStore::open(place);
  EXPECT_TRUE(collect(place, {.wait = false}).error().is(EWOULDBLOCK));
  EXPECT_TRUE(has(one.layers[1]));
  EXPECT_TRUE(collect(place, {.dry_run = true}));
}

TEST_F(CollectTest, RemovesNothingWhenItCannotTellWhatADamagedImageNeeds) {
  put(one, "one");
  put(two, "");
  tmp.write("images/blobs/sha256/" + one.manifest.digest().hex(), std::string(one.manifest.text.size(), 'x'));

  const auto collected = collect(place, {});

  ASSERT_FALSE(collected);
  EXPECT_THAT(collected.error().message(), HasSubstr("is damaged and nothing is removed"));
  EXPECT_TRUE(has(two.layers[1]));
}

TEST_F(CollectTest, IsFinishedByTheNextOneWhenACallFails) {
  struct FailOnce final : sys::Hook {
    sys::Call call;
    int left;
    FailOnce(sys::Call which, int after) : call(which), left(after) {}
    int before(sys::Call each) noexcept override { return each == call && left-- == 0 ? EIO : 0; }
  };
  for (const auto call : {sys::Call::unlinkat, sys::Call::renameat2, sys::Call::fsync, sys::Call::write}) {
    for (int after = 0;; ++after) {
      put(one, "one");
      put(two, "");
      FailOnce hook(call, after);
      sys::Hook* old = sys::install(&hook);
      const auto collected = collect(place, {});
      sys::install(old);
      ASSERT_TRUE((*ImageStore::open(place))->find_image("one", test::amd64())) << sys::name_of(call) << after;
      ASSERT_TRUE(collect(place, {})) << sys::name_of(call) << after;
      ASSERT_FALSE(has(two.layers[1]));
      if (hook.left >= 0) break;  // it did not come to that any more
    }
  }
}

}  // namespace
}  // namespace acetate::image
