#include "layers/registry/blob_download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/bytes.h"
#include "layers/registry/range_download.h"
#include "tests/layers/registry/memory_blob.h"
#include "tests/layers/registry/misbehaving.h"

namespace acetate::registry {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class BlobDownload : public testing::Test {
 protected:
  const std::string bytes_ = test::sample_bytes(3 << 20);
  test::MisbehavingRegistry registry_;
  image::Descriptor blob_ = registry_.put_blob("a", bytes_);
  Repository repository_{registry_.client(), "a"};
  test::MemoryBlob into_{blob_};

  void SetUp() override { registry_.reset(); }

  void fault(nlohmann::json fault) {
    fault["path"] = "/blobs/sha256";
    registry_.fault(fault);
  }
  Result<void> download() { return download_blob(repository_, blob_, into_); }
  std::vector<std::string> ranges() {
    std::vector<std::string> ranges;
    for (const auto& entry : registry_.requests("GET", "/blobs/"))
      ranges.push_back(entry["headers"].value("Range", ""));
    return ranges;
  }
  void expect_whole() {
    const auto done = download();
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_TRUE(into_.bytes() == bytes_);
  }
};

TEST_F(BlobDownload, AsksOnceAndForBytesAsTheyAre) {
  expect_whole();
  const auto requests = registry_.requests("GET", "/blobs/");
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0]["headers"]["Accept-Encoding"], "identity");
}

TEST_F(BlobDownload, GoesOnFromWhereAConnectionBroke) {
  fault({{"do", "truncate"}, {"at", 1000000}});
  fault({{"do", "truncate"}, {"at", 500000}});

  expect_whole();
  EXPECT_THAT(ranges(), testing::ElementsAre("", "bytes=1000000-", "bytes=1500000-"));
}

TEST_F(BlobDownload, ReadsOverWhatItHasWhenRangesAreIgnored) {
  fault({{"do", "truncate"}, {"at", 1000000}});
  fault({{"do", "ignore_range"}});
  expect_whole();
}

TEST_F(BlobDownload, GoesOnWhenABodyIsShorterThanTheBlob) {
  fault({{"do", "shorter"}, {"at", 12345}});
  expect_whole();
  EXPECT_THAT(ranges(), testing::ElementsAre("", "bytes=12345-"));
}

TEST_F(BlobDownload, OutlastsManyBreaksAsLongAsThereIsProgress) {
  for (int i = 0; i < 3; ++i) {
    fault({{"do", "truncate"}, {"at", (1 << 20) - 7}});
    fault({{"do", "status"}, {"status", 503}, {"times", 4}});
  }
  expect_whole();
}

TEST_F(BlobDownload, GivesUpWithoutProgress) {
  fault({{"do", "truncate"}, {"at", 0}, {"times", -1}});

  const auto done = download();
  ASSERT_FALSE(done);
  EXPECT_TRUE(is_transient(done.error()));
  EXPECT_THAT(done.error().message(), HasSubstr(blob_.digest.str()));
}

TEST_F(BlobDownload, TakesNoMoreThanTheManifestSays) {
  fault({{"do", "longer"}, {"by", 1}});

  const auto done = download();
  ASSERT_FALSE(done);
  EXPECT_TRUE(done.error().is(EBADMSG));
  EXPECT_LE(into_.size(), blob_.size);
}

TEST_F(BlobDownload, RefusesARangeItDidNotAskFor) {
  fault({{"do", "truncate"}, {"at", 1000}});
  fault({{"do", "wrong_range"}, {"by", 10}});

  const auto done = download();
  ASSERT_FALSE(done);
  EXPECT_TRUE(done.error().is(EBADMSG));
  EXPECT_THAT(done.error().message(), HasSubstr("bytes 1010-"));
}

TEST_F(BlobDownload, LeavesCorruptionToTheWriterWhichNoticesIt) {
  for (const std::size_t at : {std::size_t{0}, bytes_.size() / 2, bytes_.size() - 1}) {
    fault({{"do", "corrupt"}, {"at", at}});
    test::MemoryBlob into(blob_);
    ASSERT_TRUE(download_blob(repository_, blob_, into));
    EXPECT_FALSE(into.commit("x")) << at;
  }
}

TEST(StalledDownload, GoesOnOverANewConnection) {
  test::MisbehavingRegistry registry({}, 1);
  const auto bytes = test::sample_bytes(100000);
  const auto blob = registry.put_blob("a", bytes);
  // A busy machine stalls by itself, as often as it likes.
  Repository repository(registry.client({.retry = {.attempts = 1000}}), "a");
  registry.fault({{"path", "/blobs/sha256"}, {"do", "stall"}, {"at", 5000}});
  test::MemoryBlob into(blob);

  const auto done = download_blob(repository, blob, into);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_TRUE(into.bytes() == bytes);
  EXPECT_THAT(registry.requests("GET", "/blobs/"), SizeIs(testing::Ge(2u)));
}

TEST_F(BlobDownload, FollowsASignedAddressAndAsksAgainWhenItExpires) {
  registry_.fault({{"path", "/blobs/sha256"}, {"origin", "home"}, {"do", "redirect"}, {"times", -1}});
  registry_.fault({{"path", "/blobs/sha256"}, {"origin", "elsewhere"}, {"do", "truncate"}, {"at", 1000}});
  registry_.fault({{"path", "/blobs/sha256"}, {"origin", "elsewhere"}, {"do", "status"}, {"status", 403}});
  expect_whole();
}

TEST_F(BlobDownload, AsksTheRegistryOnceWhereThePartsOfABlobAre) {
  const auto part = [&](std::uint64_t from) {
    std::string got;
    const auto done = download_range(repository_, blob_, from, from + 1000, [&](std::uint64_t, std::span<const std::byte> bytes) -> Result<bool> {
      got.append(as_text(bytes));
      return true;
    });
    EXPECT_TRUE(done) << done.error().message();
    EXPECT_EQ(got, bytes_.substr(from, 1000));
  };
  const auto asked = [&](const char* origin) {
    return std::ranges::count_if(registry_.requests("GET", "/blobs/"), [&](const auto& entry) { return entry["origin"] == origin; });
  };
  fault({{"origin", "home"}, {"do", "redirect"}, {"times", -1}});
  for (std::uint64_t from : {0U, 5000U, 70000U}) part(from);
  EXPECT_EQ(asked("home"), 1);
  EXPECT_EQ(asked("elsewhere"), 3);
  // Signed for a while: the registry says where it is now, and that is good again.
  fault({{"origin", "elsewhere"}, {"do", "status"}, {"status", 403}});
  for (std::uint64_t from : {1000U, 2000U}) part(from);
  EXPECT_EQ(asked("home"), 2);
  EXPECT_EQ(asked("elsewhere"), 6);
}

TEST_F(BlobDownload, EndsWhenItIsTold) {
  const auto done = download_blob(repository_, blob_, into_, [](std::uint64_t) { return false; });
  ASSERT_FALSE(done);
  EXPECT_TRUE(done.error().is(ECANCELED));
}

TEST_F(BlobDownload, SaysWhatIsMissing) {
  blob_.digest = Digest::of("something else");
  const auto done = download();
  ASSERT_FALSE(done);
  EXPECT_TRUE(done.error().is(ENOENT));
  EXPECT_FALSE(*has_blob(repository_, blob_));
}

TEST(ContentRange, IsReadStrictly) {
  EXPECT_EQ(parse_content_range("bytes 5-9/10")->first, 5u);
  EXPECT_EQ(parse_content_range("bytes 5-9/*")->total, std::nullopt);
  for (const char* text : {"", "bytes", "bytes 5-9", "bytes 9-5/10", "bytes -5/10", "bytes 5-/10", "5-9/10",
                           "bytes a-b/c", "bytes 5-9/x", "bytes 99999999999999999999-1/2"})
    EXPECT_FALSE(parse_content_range(text)) << text;
}

}  // namespace
}  // namespace acetate::registry
