#include "layers/registry/blob_upload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/layers/registry/memory_blob.h"
#include "tests/layers/registry/misbehaving.h"

namespace acetate::registry {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class BlobUpload : public testing::Test {
 protected:
  const std::string bytes_ = test::sample_bytes(3 << 20, 2);
  const image::Descriptor blob_{
      .media_type = "application/octet-stream", .digest = Digest::of(bytes_), .size = bytes_.size()};
  test::MisbehavingRegistry registry_;
  Repository repository_{registry_.client(), "a"};

  Result<Sent> upload(UploadOptions options = {}) {
    return upload_blob(repository_, blob_, Body::text(bytes_), options);
  }

  void expect_there() {
    test::MemoryBlob into(blob_);
    ASSERT_TRUE(download_blob(repository_, blob_, into));
    EXPECT_TRUE(into.bytes() == bytes_);
  }
  std::uint64_t received() {
    std::uint64_t sum = 0;
    for (const auto& entry : registry_.log()) sum += entry["received"].get<std::uint64_t>();
    return sum;
  }
};

TEST_F(BlobUpload, SendsTheWholeInOnePut) {
  EXPECT_EQ(*upload(), Sent::bytes);
  EXPECT_THAT(registry_.requests("PUT", "/blobs/uploads/"), SizeIs(1));
  EXPECT_THAT(registry_.requests("PATCH"), IsEmpty());
  EXPECT_EQ(received(), bytes_.size());
  expect_there();
}

TEST_F(BlobUpload, SendsNothingThatIsThere) {
  ASSERT_TRUE(upload());
  registry_.reset();

  EXPECT_EQ(*upload(), Sent::nothing);
  EXPECT_EQ(received(), 0u);
}

TEST_F(BlobUpload, MountsWhatAnotherRepositoryHas) {
  ASSERT_TRUE(upload());
  registry_.reset();
  Repository other{repository_.registry(), "b"};

  EXPECT_EQ(*upload_blob(other, blob_, Body::text(bytes_), {.mount_from = {"a"}}), Sent::mounted);
  EXPECT_EQ(received(), 0u);
}

TEST_F(BlobUpload, SaysWhatTheRegistryHasWithoutSendingAnything) {
  ASSERT_TRUE(upload());
  Repository other{repository_.registry(), "b"}, third{repository_.registry(), "c"};
  EXPECT_TRUE(*have_without_sending(repository_, blob_, {}));
  EXPECT_TRUE(*have_without_sending(other, blob_, {"a"}));
  EXPECT_TRUE(*has_blob(other, blob_)) << "mounted for good";
  EXPECT_FALSE(*have_without_sending(third, blob_, {}));
  registry_.set({{"mount", false}});
  EXPECT_FALSE(*have_without_sending(third, blob_, {"a"}));
  EXPECT_THAT(registry_.requests("DELETE", "/blobs/uploads/"), SizeIs(1)) << "the upload that was begun in place of a mount";
}

TEST_F(BlobUpload, UsesTheUploadThatARefusedMountBegan) {
  registry_.set({{"mount", false}});
  EXPECT_EQ(*upload({.mount_from = {"x", "y"}}), Sent::bytes);
  EXPECT_THAT(registry_.requests("POST", "/blobs/uploads/"), SizeIs(1));
  expect_there();
}

TEST_F(BlobUpload, GoesOnInChunksWhereTheWholeIsTooMuch) {
  registry_.set({{"max_body", 1 << 20}});
  EXPECT_EQ(*upload({.chunk = 1 << 20}), Sent::bytes);
  EXPECT_THAT(registry_.requests("PATCH"), SizeIs(3));
  expect_there();
}

TEST_F(BlobUpload, MakesChunksAsBigAsTheRegistryWants) {
  registry_.set({{"max_body", 2 << 20}, {"chunk_min", 2 << 20}});
  EXPECT_EQ(*upload({.chunk = 1000}), Sent::bytes);
  EXPECT_THAT(registry_.requests("PATCH"), SizeIs(2));
  expect_there();
}

TEST_F(BlobUpload, GoesOnFromWhatTheRegistryHasWhenAChunkBreaks) {
  registry_.set({{"max_body", 1 << 20}});
  registry_.fault({{"method", "PATCH"}, {"do", "swallow"}, {"at", 300000}});

  const auto sent = upload({.chunk = 1 << 20});
  ASSERT_TRUE(sent) << sent.error().message();
  EXPECT_EQ(*sent, Sent::bytes);
  expect_there();
}

TEST_F(BlobUpload, GivesUpOnARegistryThatKeepsNothingOfWhatItTakes) {
  registry_.set({{"max_body", 2 << 20}});
  registry_.fault({{"method", "PATCH"}, {"do", "status"}, {"status", 202}, {"headers", {{"Location", "?more"}, {"Range", "0-0"}}}, {"times", -1}});

  const auto sent = upload({.chunk = 1 << 20});
  ASSERT_FALSE(sent);
  EXPECT_THAT(sent.error().message(), testing::HasSubstr("takes chunks and stays at 0 bytes"));
  EXPECT_THAT(registry_.requests("PATCH"), SizeIs(6)) << "as many as there are tries";
  EXPECT_THAT(registry_.requests("DELETE", "/blobs/uploads/"), SizeIs(2));
}

TEST_F(BlobUpload, BeginsAnewWhenTheRegistryLosesAnUploadLate) {
  registry_.set({{"max_body", 1 << 20}});
  registry_.fault({{"method", "PATCH"}, {"do", "status"}, {"status", 503}, {"after", 10}});
  registry_.fault({{"method", "GET"}, {"path", "/blobs/uploads/"}, {"do", "status"}, {"status", 404}});

  const auto sent = upload({.chunk = 1 << 18});
  ASSERT_TRUE(sent) << sent.error().message();
  EXPECT_THAT(registry_.pauses(), SizeIs(1)) << "what goes through again is progress again";
  EXPECT_THAT(registry_.requests("PATCH"), SizeIs(11 + 12));
  expect_there();
}

TEST_F(BlobUpload, GivesUpOnARegistryThatLosesEveryUpload) {
  registry_.set({{"max_body", 1 << 20}});
  registry_.fault({{"method", "PATCH"}, {"path", "state=(?!1$)"}, {"do", "status"}, {"status", 503}, {"times", -1}});
  registry_.fault({{"method", "GET"}, {"path", "/blobs/uploads/"}, {"do", "status"}, {"status", 404}, {"times", -1}});

  const auto sent = upload({.chunk = 1 << 20});
  ASSERT_FALSE(sent);
  EXPECT_THAT(sent.error().message(), testing::HasSubstr("the registry has lost 6 uploads in the middle"));
  EXPECT_THAT(registry_.requests("PATCH"), SizeIs(12)) << "two in each of as many uploads as there are tries";
}

TEST_F(BlobUpload, OutlastsErrorsInTheMiddle) {
  registry_.set({{"max_body", 1 << 20}});
  registry_.fault({{"method", "PATCH"}, {"do", "status"}, {"status", 503}, {"times", 2}});

  EXPECT_EQ(*upload({.chunk = 1 << 20}), Sent::bytes);
  expect_there();
}

TEST_F(BlobUpload, BeginsAgainWhenAConnectionBreaksInTheOnePut) {
  registry_.fault({{"method", "PUT"}, {"do", "swallow"}, {"at", 1000000}});

  EXPECT_EQ(*upload(), Sent::bytes);
  expect_there();
}

TEST_F(BlobUpload, LetsTheRegistryForgetWhatFails) {
  registry_.fault({{"method", "PUT"}, {"do", "status"}, {"status", 403}});

  const auto sent = upload();
  ASSERT_FALSE(sent);
  EXPECT_TRUE(sent.error().is(EACCES));
  EXPECT_THAT(registry_.requests("DELETE", "/blobs/uploads/"), SizeIs(1));
}

TEST_F(BlobUpload, EndsWhenItIsTold) {
  const auto sent = upload({.progress = [](std::uint64_t) { return false; }});
  ASSERT_FALSE(sent);
  EXPECT_TRUE(sent.error().is(ECANCELED));
}

TEST_F(BlobUpload, SaysSoWhenTheBytesCannotBeRead) {
  const Body broken{.size = bytes_.size(),
                    .read = [](auto, auto) -> Result<std::size_t> { return fail(EIO, "the disk is gone"); }};
  const auto sent = upload_blob(repository_, blob_, broken, {});
  ASSERT_FALSE(sent);
  EXPECT_THAT(sent.error().message(), testing::HasSubstr("the disk is gone"));
}

TEST_F(BlobUpload, TakesABlobWithoutBytes) {
  const image::Descriptor empty{.media_type = "x", .digest = Digest::of(std::string_view()), .size = 0};
  EXPECT_EQ(*upload_blob(repository_, empty, Body::text(""), {}), Sent::bytes);
  EXPECT_TRUE(*has_blob(repository_, empty));
}

TEST_F(BlobUpload, SendsNoChunkOfABlobWithoutBytes) {
  const image::Descriptor empty{.media_type = "x", .digest = Digest::of(std::string_view()), .size = 0};
  registry_.fault({{"method", "PUT"}, {"do", "status"}, {"status", 503}});
  const auto sent = upload_blob(repository_, empty, Body::text(""), {});
  ASSERT_TRUE(sent) << sent.error().message();
  EXPECT_THAT(registry_.requests("PATCH"), IsEmpty());
  EXPECT_TRUE(*has_blob(repository_, empty));
}

class LateUpload : public testing::TestWithParam<int> {};

// Twice, and twenty times the stall limit: waited for, and found to be there by asking.
TEST_P(LateUpload, IsNotSentAgain) {
  test::MisbehavingRegistry registry({}, 2);
  const std::string bytes = test::sample_bytes(1 << 20, 3);
  const image::Descriptor blob{.media_type = "application/octet-stream", .digest = Digest::of(bytes), .size = bytes.size()};
  Repository repository(registry.client(), "a");
  registry.fault({{"method", "PUT"}, {"do", "late"}, {"ms", GetParam()}});

  const auto sent = upload_blob(repository, blob, Body::text(bytes), {});

  ASSERT_TRUE(sent) << sent.error().message();
  EXPECT_EQ(*sent, Sent::bytes);
  EXPECT_THAT(registry.requests("PUT", "/blobs/uploads/"), SizeIs(1));
  EXPECT_THAT(registry.requests("PATCH"), IsEmpty());
}
INSTANTIATE_TEST_SUITE_P(Ms, LateUpload, testing::Values(4500, 40000));

}  // namespace
}  // namespace acetate::registry
