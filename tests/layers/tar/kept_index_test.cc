// The index of a tarball: made once, kept, found again, and made anew where it is lost, damaged or somebody else's.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "base/log.h"
#include "tests/layers/tar/open_tar_fixture.h"

namespace acetate::test {
namespace {

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

}  // namespace
}  // namespace acetate::test
