#include "layers/stream/fetch_protocol.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace acetate::fetch {
namespace {

TEST(FetchProtocol, ReadsBackWhatItWrites) {
  const Request request{.verb = Verb::seal, .blob = Digest::of("a"), .first = 3, .end = 1ull << 40, .patience = 12345};
  const auto bytes = pack(request);
  ASSERT_EQ(bytes.size(), kRequestBytes);
  const auto read = unpack_request(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->verb, Verb::seal);
  EXPECT_EQ(read->blob, request.blob);
  EXPECT_EQ(read->first, 3u);
  EXPECT_EQ(read->end, 1ull << 40);
  EXPECT_EQ(read->patience, 12345u);

  const auto reply = unpack_reply(pack(Reply{.code = EIO, .words = "it rained"}));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->code, EIO);
  EXPECT_EQ(reply->words, "it rained");
  EXPECT_EQ(pack(Reply{.code = 1, .words = std::string(100000, 'x')}).size(), kMostWords + 8);
  const std::string block(kMostLent, '\0');
  EXPECT_EQ(unpack_reply(pack(Reply{.code = 0, .words = block}))->words, block);
}

TEST(FetchProtocol, NamesABlobByASha512) {
  const Request request{.verb = Verb::fetch, .blob = Digest::of("a", Digest::Algorithm::sha512), .first = 1, .end = 2};
  const auto bytes = pack(request);
  ASSERT_EQ(bytes.size(), kMostRequestBytes);
  const auto read = unpack_request(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->blob, request.blob);
  EXPECT_EQ(read->end, 2u);
  EXPECT_FALSE(unpack_request(std::span(bytes).first(kRequestBytes)));
}

TEST(FetchProtocol, TakesNothingElse) {
  auto bytes = pack(Request{.blob = {}});
  for (const std::size_t size : {std::size_t{0}, std::size_t{4}, bytes.size() - 1})
    EXPECT_FALSE(unpack_request(std::span(bytes).first(size)));
  for (const std::size_t at : {0, 4, 7}) {
    auto damaged = bytes;
    damaged[at] ^= std::byte{0x80};
    EXPECT_FALSE(unpack_request(damaged)) << at;
  }
  EXPECT_FALSE(unpack_reply(bytes));
  EXPECT_FALSE(unpack_reply({}));
}

}  // namespace
}  // namespace acetate::fetch
