// Opening a tarball: when its index is made, kept, found again, and made anew.
#include "layers/tar/open_tar.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <thread>

#include "base/bytes.h"
#include "base/log.h"
#include "base/sys/call.h"
#include "base/sys/file.h"
#include "layers/stream/inflater.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tar/tar_maker.h"
#include "tests/layers/tree.h"
#include "tests/support/temp_dir.h"

namespace acetate::test {
namespace {

// Counts calls, and makes one kind fail if asked to.
class Watch final : public sys::Hook {
 public:
  Watch() : before_(sys::install(this)) {}
  Watch(sys::Call call, int code) : failing_(call), code_(code), before_(sys::install(this)) {}
  ~Watch() override { sys::install(before_); }
  int before(sys::Call call) noexcept override {
    ++total_;
    ++seen_[static_cast<std::size_t>(call)];
    return call == failing_ ? code_ : 0;
  }
  int count(sys::Call call) const { return seen_[static_cast<std::size_t>(call)]; }
  int total() const { return total_; }

 private:
  sys::Call failing_ = sys::Call::count_;
  int code_ = 0;
  std::atomic<int> total_ = 0;
  std::array<std::atomic<int>, static_cast<std::size_t>(sys::Call::count_)> seen_{};
  sys::Hook* before_;
};

// A decoder that finds every stream damaged.
class RefusingInflater final : public Inflater {
 public:
  Result<void> begin() override { return {}; }
  Result<void> resume(unsigned, std::byte, std::span<const std::byte>) override { return {}; }
  Result<Step> step(std::span<const std::byte>, std::span<std::byte>, bool) override { return Error(EBADMSG); }
};

class OpenTar : public ::testing::Test {
 protected:
  OpenTar() {
    TarMaker tar;
    for (int i = 0; i < 300; ++i)
      tar.file(fmt::format("dir{}/file{}", i % 7, i), std::string(1000, static_cast<char>('a' + i % 26)));
    tar.header({.name = "null", .type = '3', .major = 1, .minor = 3}).symlink("link", "null");
    plain_ = tar.end();
    dir_.write("a.tar", plain_);
    dir_.write("a.tar.gz", as_text(gzip_of(as_bytes(plain_))));
    expected_ = tree_of(*made(plain_));
  }

  Result<OpenedTar> open(const std::string& name, TarFile tar = {}) {
    tar.file = *sys::open(dir_ / name, O_RDONLY);
    return open_tar(std::move(tar), IndexStore(dir_ / "index"),
                    IdentityCache(dir_ / "index", [this] { return timespec{::time(nullptr) + later_, 0}; }));
  }
  Digest digest_of(const std::string& name) { return Digest::of(dir_.read(name)); }
  // Names below the index directory, but for directories.
  std::vector<std::string> kept() {
    std::vector<std::string> names;
    if (!std::filesystem::exists(dir_ / "index")) return names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_ / "index"))
      if (!entry.is_directory()) names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
  }

  TempDir dir_;
  std::string plain_;
  Tree expected_;
  std::int64_t later_ = 60;  // how far the clock is ahead: files just written are at rest
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

TEST_F(OpenTar, ALostIndexIsAnErrorAndNotADeath) {
  ASSERT_TRUE(open("a.tar.gz"));
  const std::string path = IndexStore(dir_ / "index").path_of(digest_of("a.tar.gz"));
  const auto opened = open("a.tar.gz");
  ASSERT_TRUE(opened && opened->index_was_cached);
  std::string said;
  log::set_sink([&](log::Level, std::string_view line) { said += line; });
  // What a failing disk does to a mapped file, a shorter file does too: SIGBUS at the next touch.
  std::filesystem::resize_file(path, 4096);

  const Layer& layer = *opened->layer;
  EXPECT_TRUE(layer.lookup(layer.root(), "dir3").error().is(EIO));
  EXPECT_TRUE(layer.list(layer.root(), [](const DirEntry&) { return true; }).error().is(EIO));
  EXPECT_TRUE(layer.attr(layer.root()).error().is(EIO));
  log::set_sink({});
  EXPECT_NE(said.find("is damaged"), std::string::npos) << said;

  const auto again = open("a.tar.gz");
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->index_was_cached);
  EXPECT_EQ(tree_of(*again->layer), expected_);
}

TEST_F(OpenTar, IdentitiesOfTarballsThatChangedAreForgottenInTheEnd) {
  const IdentityCache identities(dir_ / "index", {}, 40);
  FilePart part{.st = *sys::stat(FileAt{kWorkingDir, (dir_ / "a.tar").c_str()}), .offset = 0, .length = 1};
  for (int i = 0; i < 60; ++i) {
    part.st.st_ino = static_cast<ino_t>(i);
    identities.remember(part, Digest::of("x"));
  }
  EXPECT_TRUE(identities.find(part)) << "the newest is there";
  EXPECT_LE(kept().size(), 40u);
  EXPECT_GT(kept().size(), 15u);
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

TEST_F(OpenTar, LeavesOneIndexOneIdentityAndNothingElse) {
  ASSERT_TRUE(open("a.tar.gz"));

  const auto names = kept();
  ASSERT_EQ(names.size(), 2U);
  EXPECT_TRUE(std::ranges::find(names, digest_of("a.tar.gz").hex() + ".lix") != names.end());
}

TEST_F(OpenTar, AFullDiskLeavesNoDebrisAndTheLayerWorks) {
  for (const sys::Call call : {sys::Call::linkat, sys::Call::mkdirat, sys::Call::openat}) {
    TempDir fresh;
    std::optional<Watch> full;
    TarFile tar{.file = *sys::open(dir_ / "a.tar.gz", O_RDONLY), .digest = digest_of("a.tar.gz")};
    full.emplace(call, ENOSPC);
    const auto opened = open_tar(std::move(tar), IndexStore(fresh / "index"), IdentityCache(fresh / "index"));
    full.reset();

    ASSERT_TRUE(opened) << words(opened);
    EXPECT_EQ(tree_of(*opened->layer), expected_);
    if (!std::filesystem::exists(fresh / "index")) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(fresh / "index"))
      EXPECT_TRUE(entry.is_directory()) << entry.path();
  }
}

// What is verified whole when it is opened is made again after a power cut that has left less of it.
TEST_F(OpenTar, OnlyALargeIndexWaitsForTheDisk) {
  const IndexStore store(dir_ / "index");
  const auto of_size = [](std::uint64_t bytes) { return [bytes](FdRef file) { return sys::truncate(file, bytes); }; };
  Watch no_disk(sys::Call::fdatasync, EIO);

  EXPECT_TRUE(store.publish(Digest::of("small"), of_size(IndexFile::kVerifiedWhole)));
  EXPECT_TRUE(store.publish(Digest::of("large"), of_size(IndexFile::kVerifiedWhole + 1)).error().is(EIO));
  EXPECT_FALSE(std::filesystem::exists(store.path_of(Digest::of("large"))));
}

TEST_F(OpenTar, MakesAnIndexAgainThatAPowerCutHasEmptied) {
  ASSERT_TRUE(open("a.tar.gz"));
  const std::string index = IndexStore(dir_ / "index").path_of(digest_of("a.tar.gz"));
  ASSERT_EQ(::truncate(index.c_str(), 0), 0);

  const auto opened = open("a.tar.gz");

  ASSERT_TRUE(opened) << words(opened);
  EXPECT_EQ(tree_of(*opened->layer), expected_);
  EXPECT_GT(std::filesystem::file_size(index), 0U);
}

TEST_F(OpenTar, WithoutRoomAnywhereSaysSo) {
  Watch full(sys::Call::pwrite, ENOSPC);
  const auto refused = open("a.tar.gz");

  EXPECT_TRUE(refused.error().is(ENOSPC));
  EXPECT_NE(words(refused).find("making a layer index in memory"), std::string::npos) << words(refused);
  EXPECT_TRUE(kept().empty());
}

TEST_F(OpenTar, WorksWhereTheFileSystemHasNoLocks) {
  Watch no_locks(sys::Call::flock, ENOLCK);

  ASSERT_TRUE(open("a.tar.gz"));
  EXPECT_TRUE(open("a.tar.gz")->index_was_cached);
}

TEST_F(OpenTar, ADamagedIndexIsMadeAgain) {
  ASSERT_TRUE(open("a.tar.gz"));
  const std::string path = IndexStore(dir_ / "index").path_of(digest_of("a.tar.gz"));
  std::string bytes = dir_.read(path.substr(dir_.path().size() + 1));
  std::string said;
  log::set_sink([&](log::Level, std::string_view line) { said += line; });
  std::string flipped = bytes;
  flipped[flipped.size() * 3 / 4] ^= 1;
  for (const std::string& damage : {bytes.substr(0, bytes.size() / 2), std::string(), std::string(9000, 'x'), flipped}) {
    dir_.write(path.substr(dir_.path().size() + 1), damage);
    said.clear();

    const auto opened = open("a.tar.gz");

    ASSERT_TRUE(opened) << words(opened);
    EXPECT_FALSE(opened->index_was_cached);
    EXPECT_EQ(tree_of(*opened->layer), expected_);
    EXPECT_NE(said.find("making it again"), std::string::npos) << said;
    EXPECT_TRUE(open("a.tar.gz")->index_was_cached);
  }
  log::set_sink({});
}

TEST_F(OpenTar, AnIndexOthersMayWriteIsReadFromACopy) {
  ASSERT_TRUE(open("a.tar.gz"));
  const std::string path = IndexStore(dir_ / "index").path_of(digest_of("a.tar.gz"));
  std::filesystem::permissions(path, std::filesystem::perms::all);

  const auto opened = open("a.tar.gz");
  ASSERT_TRUE(opened && opened->index_was_cached);
  // Mapped in place this would be SIGBUS.
  std::filesystem::resize_file(path, 0);

  EXPECT_EQ(tree_of(*opened->layer), expected_);
}

TEST_F(OpenTar, ASharedIndexIsUsedAndLeftAsItIs) {
  ASSERT_TRUE(open("a.tar.gz"));
  std::filesystem::rename(dir_ / "index", dir_ / "shared");
  std::filesystem::remove_all(dir_ / "shared/identity");
  const Digest blob = digest_of("a.tar.gz");
  const auto open_with = [&](std::vector<std::string> shared) {
    return open_tar({.file = *sys::open(dir_ / "a.tar.gz", O_RDONLY), .digest = blob}, IndexStore(dir_ / "index", std::move(shared)),
                    IdentityCache(dir_ / "index"));
  };
  const std::string path = IndexStore(dir_ / "shared").path_of(blob);
  const std::string good = dir_.read(path.substr(dir_.path().size() + 1));

  const auto opened = open_with({dir_ / "none", dir_ / "shared"});
  ASSERT_TRUE(opened) << words(opened);
  EXPECT_TRUE(opened->index_was_cached);
  EXPECT_EQ(tree_of(*opened->layer), expected_);
  EXPECT_EQ(kept(), std::vector<std::string>());

  // One that others may write, and one that is damaged, is nobody's; our own is made then.
  std::filesystem::permissions(path, std::filesystem::perms::all);
  EXPECT_FALSE(open_with({dir_ / "shared"})->index_was_cached);
  EXPECT_TRUE(open_with({})->index_was_cached);
  std::filesystem::remove_all(dir_ / "index");
  std::filesystem::permissions(path, std::filesystem::perms::owner_read);
  std::string bad = good;
  bad[good.size() / 2] = static_cast<char>(bad[good.size() / 2] ^ 1);
  std::filesystem::remove(path);
  dir_.write(path.substr(dir_.path().size() + 1), bad);
  EXPECT_FALSE(open_with({dir_ / "shared"})->index_was_cached);
  EXPECT_TRUE(dir_.exists(path.substr(dir_.path().size() + 1))) << "it is not ours to remove";
}

// A large one is verified as it is read, so that damage shows only then.
TEST_F(OpenTar, ASharedIndexIsNotUsedAgainAfterDamageWasFoundInIt) {
  ASSERT_TRUE(open("a.tar.gz"));
  std::filesystem::rename(dir_ / "index", dir_ / "shared");
  const Digest blob = digest_of("a.tar.gz");
  const IndexStore own(dir_ / "index", {dir_ / "shared"});
  const LayerIndexPtr shared = own.find(blob);
  ASSERT_NE(shared, nullptr);
  EXPECT_FALSE(shared->inode(1U << 30U)) << "as if its records contradicted each other";

  EXPECT_EQ(own.find(blob), nullptr);
  ASSERT_TRUE(own.adopt(blob));
  EXPECT_EQ(IndexStore(dir_ / "index").find(blob), nullptr);
  EXPECT_TRUE(std::filesystem::exists(IndexStore(dir_ / "shared").path_of(blob))) << "it is not ours to remove";
  const auto opened = open("a.tar.gz");
  ASSERT_TRUE(opened);
  EXPECT_NE(own.find(blob), nullptr) << "our own is";
}

TEST_F(OpenTar, ASharedIndexIsAdoptedAsACopyOfOurOwn) {
  ASSERT_TRUE(open("a.tar.gz"));
  std::filesystem::rename(dir_ / "index", dir_ / "shared");
  const Digest blob = digest_of("a.tar.gz");
  const IndexStore own(dir_ / "index", {dir_ / "none", dir_ / "shared"});
  const std::string path = IndexStore(dir_ / "shared").path_of(blob);

  ASSERT_TRUE(own.adopt(blob));

  EXPECT_TRUE(IndexStore(dir_ / "index").find(blob)) << "without the shared ones";
  // What others may write is not taken, nor is anything else in its place.
  std::filesystem::remove_all(dir_ / "index");
  std::filesystem::permissions(path, std::filesystem::perms::all);
  ASSERT_TRUE(own.adopt(blob));
  EXPECT_FALSE(std::filesystem::exists(own.path_of(blob)));
}

TEST_F(OpenTar, ManyAtOnceMakeOneIndex) {
  for (const bool digest_known : {false, true}) {
    std::filesystem::remove_all(dir_ / "index");
    std::atomic<int> made_it = 0, failed = 0;
    std::vector<std::thread> threads;
    const auto digest = digest_known ? std::optional(digest_of("a.tar.gz")) : std::nullopt;
    for (int i = 0; i < 6; ++i)
      threads.emplace_back([&] {
        const auto opened = open("a.tar.gz", {.file = {}, .digest = digest});
        if (!opened) ++failed;
        if (opened && !opened->index_was_cached) ++made_it;
      });
    for (auto& thread : threads) thread.join();

    EXPECT_EQ(failed, 0);
    EXPECT_EQ(made_it, 1);
    EXPECT_EQ(kept().size(), digest_known ? 1U : 2U);
  }
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
