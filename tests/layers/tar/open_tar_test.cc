// Opening a tarball: what is read of it, what is believed of it, and what it shows.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "base/log.h"
#include "layers/stream/inflater.h"
#include "tests/layers/tar/open_tar_fixture.h"

namespace acetate::test {
namespace {

// A decoder that finds every stream damaged.
class RefusingInflater final : public Inflater {
 public:
  Result<void> begin() override { return {}; }
  Result<void> resume(unsigned, std::byte, std::span<const std::byte>) override { return {}; }
  Result<Step> step(std::span<const std::byte>, std::span<std::byte>, bool) override { return Error(EBADMSG); }
};

TEST_F(OpenTar, TheSecondOpenReadsNothingOfTheTarball) {
  for (const char* name : {"a.tar", "a.tar.gz"}) {
    const auto first = open(name);
    ASSERT_TRUE(first) << words(first);
    EXPECT_FALSE(first->index_was_cached);
    EXPECT_EQ(first->facts.entries, 302U);
    EXPECT_EQ(first->facts.diff_id, Digest::of(plain_));
    EXPECT_EQ(first->facts.blob, digest_of(name));

    Watch watch;
    const auto second = open(name);
    ASSERT_TRUE(second) << words(second);
    EXPECT_TRUE(second->index_was_cached);
    EXPECT_EQ(watch.count(sys::Call::pread), 0);
    EXPECT_LE(watch.total(), 20);

    EXPECT_EQ(tree_of(*first->layer), expected_);
    EXPECT_EQ(tree_of(*second->layer), expected_);
    EXPECT_EQ(listing_of(*first->layer), listing_of(*second->layer));
  }
}

TEST_F(OpenTar, AnsweringNeedsNoSystemCall) {
  const auto opened = *open("a.tar.gz");
  Watch watch;

  const Node dir = opened.layer->lookup(opened.layer->root(), "dir3")->node;
  EXPECT_TRUE(opened.layer->lookup(dir, "file3"));
  EXPECT_TRUE(opened.layer->lookup(dir, "absent").error().is(ENOENT));
  EXPECT_TRUE(opened.layer->attr(dir));
  EXPECT_EQ(*opened.layer->readlink(opened.layer->lookup(opened.layer->root(), "link")->node), "null");
  EXPECT_TRUE(opened.layer->list(dir, [](const DirEntry&) { return true; }));
  EXPECT_TRUE(opened.layer->xattrs(dir)->empty());

  EXPECT_EQ(watch.total(), 0);
}

TEST_F(OpenTar, AnswersWrongQuestionsAsThemselves) {
  const auto layer = open("a.tar")->layer;
  const Node root = layer->root();
  const Node file = layer->lookup(layer->lookup(root, "dir0")->node, "file0")->node;

  EXPECT_TRUE(layer->lookup(file, "x").error().is(ENOTDIR));
  EXPECT_TRUE(layer->list(file, [](const DirEntry&) { return true; }).error().is(ENOTDIR));
  EXPECT_TRUE(layer->open(root).error().is(EISDIR));
  EXPECT_TRUE(layer->open(layer->lookup(root, "null")->node).error().is(EINVAL));
  EXPECT_TRUE(layer->readlink(file).error().is(EINVAL));
  EXPECT_TRUE(layer->link_target(file).error().is(EINVAL));
  EXPECT_FALSE(layer->content_id(file)->has_value());
  EXPECT_EQ(layer->attr(root)->nlink, 1U);
}

TEST_F(OpenTar, FilesOfAnUncompressedTarLiePlainInIt) {
  const auto layer = open("a.tar")->layer;
  const Node dir = layer->lookup(layer->root(), "dir1")->node;
  const auto view = *layer->open(layer->lookup(dir, "file1")->node);

  const auto extent = view->extent(10);
  ASSERT_TRUE(extent);
  EXPECT_EQ(extent->length, 990U);
  std::string text(990, '\0');
  EXPECT_EQ(*sys::pread_full(extent->fd, std::as_writable_bytes(std::span(text)), extent->fd_offset), 990U);
  EXPECT_EQ(text, std::string(990, 'b'));
  EXPECT_FALSE(view->extent(1000));
}

TEST_F(OpenTar, AFileJustWrittenIsHashedAgainButNotDecoded) {
  later_ = 0;
  ASSERT_FALSE(open("a.tar.gz")->index_was_cached);
  {
    Watch watch;
    EXPECT_TRUE(open("a.tar.gz")->index_was_cached);
    EXPECT_GT(watch.count(sys::Call::pread), 0);
  }
  later_ = 60;
  EXPECT_TRUE(open("a.tar.gz")->index_was_cached);  // this time it is remembered as at rest
  Watch watch;
  EXPECT_TRUE(open("a.tar.gz")->index_was_cached);
  EXPECT_EQ(watch.count(sys::Call::pread), 0);
}

TEST_F(OpenTar, AChangedFileIsAnotherLayer) {
  ASSERT_TRUE(open("a.tar"));
  dir_.write("a.tar", TarMaker().file("only", "1").end());

  EXPECT_EQ(tree_of(*open("a.tar")->layer), (Tree{{"only", "file 1"}}));
}

TEST_F(OpenTar, FindsAnIndexByTheDigestAlone) {
  ASSERT_TRUE(open("a.tar.gz"));
  dir_.write("copy.gz", dir_.read("a.tar.gz"));

  Watch watch;
  const auto opened = open("copy.gz", {.file = {}, .digest = digest_of("a.tar.gz")});

  EXPECT_TRUE(opened && opened->index_was_cached);
}

TEST_F(OpenTar, AKnownIndexDoesNotMakeOtherBytesTheLayer) {
  const Digest digest = digest_of("a.tar");
  ASSERT_TRUE(open("a.tar", {.file = {}, .digest = digest}));
  std::string other = plain_;
  other[600] ^= 1;
  dir_.write("other.tar", other);

  EXPECT_TRUE(open("other.tar", {.file = {}, .digest = digest}).error().is(EBADMSG));
  // The right bytes are hashed once, and then known.
  dir_.write("copy.tar", plain_);
  ASSERT_TRUE(open("copy.tar", {.file = {}, .digest = digest}));
  Watch watch;
  ASSERT_TRUE(open("copy.tar", {.file = {}, .digest = digest}));
  EXPECT_EQ(watch.count(sys::Call::pread), 0);
}

TEST_F(OpenTar, ABlobNamedBySha512IsIndexedOnceAndVerifiedByThat) {
  for (const char* name : {"a.tar", "a.tar.gz"}) {
    const Digest digest = Digest::of(dir_.read(name), Digest::Algorithm::sha512);
    const auto first = open(name, {.file = {}, .digest = digest});
    ASSERT_TRUE(first) << words(first);
    EXPECT_FALSE(first->index_was_cached);
    EXPECT_EQ(first->facts.blob, digest);
    EXPECT_EQ(first->facts.diff_id, Digest::of(plain_)) << "by SHA-256, whatever the blob is named by";
    EXPECT_EQ(tree_of(*first->layer), expected_);

    Watch watch;
    const auto second = open(name, {.file = {}, .digest = digest});
    ASSERT_TRUE(second) << words(second);
    EXPECT_TRUE(second->index_was_cached);
    EXPECT_EQ(second->facts.blob, digest);
    EXPECT_EQ(watch.count(sys::Call::pread), 0) << name;

    std::string other = dir_.read(name);
    other[other.size() / 2] ^= 1;
    const Digest wrong = Digest::of(other, Digest::Algorithm::sha512);
    EXPECT_TRUE(open(name, {.file = {}, .digest = wrong}).error().is(EBADMSG));
    EXPECT_FALSE(open(name)->index_was_cached) << "a name by SHA-256 is another's";
  }
  const Digest digest = Digest::of(plain_, Digest::Algorithm::sha512);
  std::string other = plain_;
  other[600] ^= 1;
  dir_.write("other.tar", other);
  EXPECT_TRUE(open("other.tar", {.file = {}, .digest = digest}).error().is(EBADMSG));
}

TEST_F(OpenTar, ZlibDecidesWhereTheFastDecoderFindsDamage) {
  std::string said;
  log::set_sink([&](log::Level, std::string_view line) { said += line; });
  set_fast_inflater([]() -> Result<std::unique_ptr<Inflater>> { return std::unique_ptr<Inflater>(new RefusingInflater); });

  const auto opened = open("a.tar.gz");
  set_fast_inflater(nullptr);
  log::set_sink({});

  ASSERT_TRUE(opened) << words(opened);
  EXPECT_EQ(tree_of(*opened->layer), expected_);
  EXPECT_NE(said.find("zlib did not"), std::string::npos) << said;
}

TEST_F(OpenTar, LayersPackedWithXzAndBzip2AreLayersToo) {
  const std::string expected = listing_of(*made(plain_));
  dir_.write("a.tar.xz", as_text(xz_of(as_bytes(plain_))));
  dir_.write("a.tar.bz2", as_text(bzip2_of(as_bytes(plain_))));
  for (const char* name : {"a.tar.xz", "a.tar.bz2"})
    for (int round = 0; round < 2; ++round) {
      const auto opened = open(name);
      ASSERT_TRUE(opened) << words(opened);
      EXPECT_EQ(opened->index_was_cached, round == 1);
      EXPECT_EQ(opened->facts.diff_id, Digest::of(plain_));
      EXPECT_EQ(listing_of(*opened->layer), expected);
    }
}

TEST_F(OpenTar, ReadsAPartOfAFile) {
  dir_.write("archive", "some bytes before" + plain_ + "and after");
  const auto opened = open("archive", {.file = {}, .offset = 17, .length = plain_.size()});

  ASSERT_TRUE(opened) << words(opened);
  EXPECT_EQ(opened->facts.blob, Digest::of(plain_));
  EXPECT_EQ(tree_of(*opened->layer), expected_);
  EXPECT_TRUE(open("archive", {.file = {}, .offset = 17, .length = plain_.size() + 100}).error().is(EINVAL));
}

TEST_F(OpenTar, RefusesBytesThatAreNotWhatTheirDigestSays) {
  const auto refused = open("a.tar", {.file = {}, .digest = Digest::of("other")});

  EXPECT_TRUE(refused.error().is(EBADMSG));
  EXPECT_NE(words(refused).find("and not sha256:"), std::string::npos) << words(refused);
  EXPECT_TRUE(kept().empty());
}

TEST_F(OpenTar, ATarballThatShrinksIsAnErrorAndNeverZeroes) {
  const auto layer = open("a.tar")->layer;
  const Node dir = layer->lookup(layer->root(), "dir5")->node;
  const auto view = *layer->open(layer->lookup(dir, "file299")->node);
  std::filesystem::resize_file(dir_ / "a.tar", 2000);

  std::byte bytes[100];
  EXPECT_TRUE(view->pread(bytes, 0).error().is(EIO));
}

}  // namespace
}  // namespace acetate::test
