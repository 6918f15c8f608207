// Indexes that lie beside an image in a registry.
#include "layers/registry/index_artifact.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sys/file.h"
#include "layers/image/lazy_images.h"
#include "layers/image/media_type.h"
#include "layers/registry/lazy_pull.h"
#include "layers/registry/push.h"
#include "layers/tar/foreign_index.h"
#include "layers/tar/index_writer.h"
#include "layers/tar/tar_scan.h"
#include "tests/layers/registry/misbehaving.h"
#include "tests/layers/registry/stored_sample.h"
#include "tests/layers/tar/tar_maker.h"
#include "tests/support/temp_dir.h"

namespace acetate::registry {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class IndexArtifact : public testing::Test {
 protected:
  const test::TempDir dir_;
  std::unique_ptr<image::ImageStore> from_ = test::open_store(dir_ / "from"), into_ = test::open_store(dir_ / "into");
  const image::LazyImages lazy_{dir_ / "into"};
  const Digest origin_ = Digest::of("origin");
  const std::string layer_ = test::sample_bytes(1 << 20);
  const test::SampleImage sample_ = test::put_sample(*from_, {layer_, "small"});
  test::MisbehavingRegistry registry_;
  Repository repository_{registry_.client(), "team/app"};

  image::Reference name(const std::string& rest) { return test::reference(registry_.host() + "/team/app" + rest); }
  void push() {
    const auto tag = name(":1");
    ASSERT_TRUE(from_->set_reference(tag, sample_.manifest));
    ASSERT_TRUE(push_image(*from_, *from_->find(tag.str()), repository_, tag.registry, tag.tag,
                           {.platform = test::platform("amd64")}));
  }
  // An index that says of a layer that it holds one file of that name.
  std::string index_of(const Digest& layer, const std::string& file) {
    TarScan scan = *scan_tar(test::source_of(test::TarMaker().file(file, "text").end()));
    scan.pass.blob = layer;
    const std::string path = dir_ / "made";
    const auto made = sys::open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT_TRUE(made && IndexImage::build(std::move(scan)).write(made->ref()));
    return dir_.read("made");
  }
  // Those files as indexes of that layer.
  Result<image::Descriptor> send(const Digest& layer, const std::vector<std::string>& files, const std::string& trace = "") {
    std::vector<IndexOfLayer> all;
    for (const auto& file : files) all.push_back({.layer = layer, .index = *sys::open(dir_ / file, O_RDONLY), .trace = trace});
    return push_indexes(repository_, sample_.manifest, all);
  }
  // Whatever it says of what is in the layer: it is taken as it is until somebody compares.
  void push_index(const std::string& content, const Digest& layer) {
    dir_.write("index", content);
    ASSERT_TRUE(send(layer, {"index"}));
  }
  Result<Pulled> pull(const image::Reference& name, ForeignIndexes indexes = ForeignIndexes::by_tag) {
    return pull_lazily(repository_, name, *into_, lazy_, {.platform = test::platform("amd64"), .indexes = indexes});
  }
  std::string kept(const Digest& layer) {
    const auto names = foreign_index_names(lazy_.dir(), layer);
    if (names && !names->empty()) return dir_.read("into/.acetate-lazy/" + names->front());
    return "";
  }
};

TEST_F(IndexArtifact, ComesBackAsItWasSent) {
  push();
  const Digest layer = sample_.layers[0].digest;
  const std::string newer = index_of(layer, "newer");
  push_index(index_of(layer, "old"), layer);
  push_index(newer, layer);
  const auto found = repository_.referrers(sample_.manifest.digest, kIndexArtifact);
  ASSERT_TRUE(found);
  EXPECT_THAT(*found, SizeIs(2));

  const auto fetched =
      fetch_indexes(repository_, sample_.manifest.digest, sample_.layers, dir_.path(),
                    origin_);
  ASSERT_TRUE(fetched) << fetched.error().message();
  EXPECT_EQ(*fetched, 1u);
  EXPECT_TRUE(dir_.read(foreign_index_name(layer, origin_)) == newer);
}

TEST_F(IndexArtifact, BringsTheReadTraceThatWasSentWithIt) {
  push();
  const Digest layer = sample_.layers[0].digest;
  const std::string index = index_of(layer, "file");
  dir_.write("index", index);
  ASSERT_TRUE(send(layer, {"index"}, "trace"));
  EXPECT_EQ(*fetch_indexes(repository_, sample_.manifest.digest, {sample_.layers[0]}, dir_.path(), origin_), 1u);
  EXPECT_TRUE(dir_.read(foreign_index_name(layer, origin_)) == index);
  EXPECT_EQ(dir_.read(foreign_trace_name(layer, origin_)), "trace");
}

// As those before version 2 of traces named it.
TEST_F(IndexArtifact, BringsReadTracesOfTheVersionBefore) {
  push();
  const Digest layer = sample_.layers[0].digest;
  dir_.write("index", index_of(layer, "file"));
  const auto sent = send(layer, {"index"}, "trace");
  ASSERT_TRUE(sent);
  std::string text = repository_.manifest(sent->digest.str())->bytes;
  const auto at = text.find(kTraceLayer);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, std::string(kTraceLayer).size(), kOldTraceLayer);
  const image::Descriptor artifact{.media_type = std::string(image::kOciManifest), .digest = Digest::of(text), .size = text.size()};
  ASSERT_TRUE(repository_.put_manifest(artifact.digest.str(), artifact, text));

  EXPECT_EQ(*fetch_indexes(repository_, sample_.manifest.digest, {sample_.layers[0]}, dir_.path(), origin_), 1u);

  EXPECT_EQ(dir_.read(foreign_trace_name(layer, origin_)), "trace");
}

TEST_F(IndexArtifact, IsNotThereWhereNobodyPutIt) {
  push();
  EXPECT_EQ(*fetch_indexes(repository_, sample_.manifest.digest, {sample_.layers[0]}, dir_.path(), origin_), 0u);
}

TEST_F(IndexArtifact, LazyPullsFetchNoLayerAndLeaveATicketForEach) {
  push();
  push_index(index_of(sample_.layers[0].digest, "file"), sample_.layers[0].digest);
  registry_.reset();
  const auto pulled = pull(name(":1"));
  ASSERT_TRUE(pulled) << pulled.error().message();
  EXPECT_EQ(pulled->target, sample_.manifest);
  for (const auto& layer : sample_.layers) {
    EXPECT_THAT(registry_.requests("GET", layer.digest.str()), IsEmpty());
    const auto ticket = read_ticket(lazy_.dir(), layer.digest);
    ASSERT_TRUE(ticket);
    ASSERT_THAT(ticket->sources, SizeIs(1));
    EXPECT_EQ(ticket->sources[0].name, name(":1").str());
  }
  EXPECT_TRUE(kept(sample_.layers[0].digest) == index_of(sample_.layers[0].digest, "file"));
  EXPECT_TRUE(lazy_.find(name(":1").str()));
}

TEST_F(IndexArtifact, IsBelievedOfADigestOnlyWhenSomebodySaysSo) {
  push();
  push_index(index_of(sample_.layers[0].digest, "file"), sample_.layers[0].digest);
  const auto pinned = name("@" + sample_.manifest.digest.str());
  ASSERT_TRUE(pull(pinned));
  EXPECT_EQ(kept(sample_.layers[0].digest), "");
  ASSERT_TRUE(pull(name(":1"), ForeignIndexes::never));
  EXPECT_EQ(kept(sample_.layers[0].digest), "");
  ASSERT_TRUE(pull(pinned, ForeignIndexes::always));
  EXPECT_TRUE(kept(sample_.layers[0].digest) == index_of(sample_.layers[0].digest, "file"));
}

TEST_F(IndexArtifact, IsOfTheImageItCameWithThoughOthersHaveTheLayer) {
  push();
  push_index(index_of(sample_.layers[0].digest, "file"), sample_.layers[0].digest);
  const auto believed = [&](const image::Reference& name) {
    return lazy_.open_image(*lazy_.find(name.str()), test::platform("amd64"))->layers[0].spec.index;
  };
  ASSERT_TRUE(pull(name(":1")));
  EXPECT_EQ(believed(name(":1")), image::index_origin(name(":1"), sample_.manifest.digest));
  const auto pinned = name("@" + sample_.manifest.digest.str());
  ASSERT_TRUE(pull(pinned));
  EXPECT_EQ(believed(pinned), std::nullopt);
  ASSERT_TRUE(pull(name(":1"), ForeignIndexes::never));
  EXPECT_EQ(believed(name(":1")), std::nullopt);
  EXPECT_NE(image::index_origin(name(":1"), sample_.manifest.digest),
            image::index_origin(test::reference("evil.example/team/app:1"), sample_.manifest.digest));
}

TEST_F(IndexArtifact, IsAskedForOnceALayerAndNotTakenWhenItIsLongerThanOneCanBe) {
  push();
  const Digest layer = sample_.layers[1].digest;
  // Hardly anything on the way: a layer of a few bytes cannot need that much.
  dir_.write("bomb", std::string((17 << 20), '\0'));
  ASSERT_TRUE(send(layer, {"bomb"}));
  const auto refused = fetch_indexes(repository_, sample_.manifest.digest, {sample_.layers[1]}, dir_.path(), origin_);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(EFBIG)) << refused.error().message();
  EXPECT_FALSE(dir_.exists(foreign_index_name(layer, origin_)));

  dir_.write("other", "no index");
  dir_.write("third", "none either");
  ASSERT_TRUE(send(layer, {"other", "third", "other"}));
  registry_.reset();
  EXPECT_FALSE(fetch_indexes(repository_, sample_.manifest.digest, {sample_.layers[1]}, dir_.path(), origin_)) << "the older one is asked for, too";
  EXPECT_THAT(registry_.requests("GET", "/blobs/sha256"), SizeIs(2));
}

// It came whole by its digest, and was damaged where it was made: a bit in it is wrong, or it is no index.
TEST_F(IndexArtifact, ThatWasPublishedDamagedIsNotKept) {
  const Digest layer = sample_.layers[0].digest;
  push();
  std::string wrong = index_of(layer, "file");
  wrong[lix::kHeaderBytes + 3] = static_cast<char>(wrong[lix::kHeaderBytes + 3] ^ 1);
  for (const std::string& content : {wrong, std::string("index")}) {
    push_index(content, layer);
    EXPECT_EQ(*fetch_indexes(repository_, sample_.manifest.digest, {sample_.layers[0]}, dir_.path(), origin_), 0u);
    EXPECT_FALSE(dir_.exists(foreign_index_name(layer, origin_)));
  }
  push_index(index_of(layer, "file"), layer);
  EXPECT_EQ(*fetch_indexes(repository_, sample_.manifest.digest, {sample_.layers[0]}, dir_.path(), origin_), 1u) << "the next that is whole";
}

TEST_F(IndexArtifact, ThatIsDamagedIsAsGoodAsNone) {
  push();
  push_index(index_of(sample_.layers[0].digest, "file"), sample_.layers[0].digest);
  registry_.fault({{"method", "GET"}, {"path", "/blobs/sha256"}, {"do", "corrupt"}, {"at", 6}, {"times", -1}});
  EXPECT_FALSE(fetch_indexes(repository_, sample_.manifest.digest, {sample_.layers[0]}, dir_.path(), origin_));
  EXPECT_FALSE(dir_.exists(foreign_index_name(sample_.layers[0].digest, origin_)));
}

}  // namespace
}  // namespace acetate::registry
