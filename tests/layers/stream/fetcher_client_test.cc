// Asking the fetcher: one that answers, one that is silent, one that ends.
#include "layers/stream/fetcher_client.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <thread>

#include "base/sys/file.h"
#include "base/sys/unix_socket.h"
#include "tests/support/temp_dir.h"

namespace acetate {
namespace {

using testing::HasSubstr;

class FetcherClientTest : public testing::Test {
 protected:
  const test::TempDir dir_;
  const Digest digest_ = Digest::of("blob");
  const std::unique_ptr<PartialBlob> blob_ = *PartialBlob::make(dir_.path(), {.blob = digest_, .size = 100});
  const Fd folder_ = *sys::open(dir_.path(), O_RDONLY | O_DIRECTORY);
  Fd listening_ = *sys::listen_unix(folder_.ref(), fetch::kSocketName, sys::SocketKind::messages);

  FetcherClient client(std::chrono::milliseconds patience = std::chrono::minutes(10)) {
    return FetcherClient(dir_.path(), {.patience = patience, .pause_after_failure = std::chrono::minutes(10)});
  }
  // The next request over a connection, which is then answered.
  fetch::Request answer(FdRef client, const fetch::Reply& reply) {
    std::array<std::byte, 100> buffer;
    const auto got = *sys::receive_message(client, buffer);
    const auto request = fetch::unpack_request(std::span(buffer).first(got));
    EXPECT_TRUE(request);
    EXPECT_TRUE(sys::send_message(client, pack(reply)));
    return request.value_or(fetch::Request{});
  }
};

TEST_F(FetcherClientTest, AsksOverOneConnectionAndHearsWhatIsSaid) {
  std::thread fetcher([&] {
    const Fd connection = *sys::accept(listening_.ref());
    const auto request = answer(connection.ref(), {});
    EXPECT_EQ(request.blob, digest_);
    EXPECT_EQ(request.end, 1u);
    answer(connection.ref(), {.code = EREMOTEIO, .words = "the registry burns"});
  });
  auto asking = client();
  EXPECT_TRUE(asking.fetch(*blob_, 0, 1));
  const auto second = asking.fetch(*blob_, 0, 1);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message(), HasSubstr("burns"));
  fetcher.join();
  // Who asks right after that is told at once.
  EXPECT_TRUE(asking.fetch(*blob_, 0, 1).error().is(ETIMEDOUT));
}

TEST_F(FetcherClientTest, TakesOneBlobsFailureForThatOfNoOther) {
  const auto other = *PartialBlob::make(dir_.path(), {.blob = Digest::of("other"), .size = 100});
  std::thread fetcher([&] {
    const Fd connection = *sys::accept(listening_.ref());
    answer(connection.ref(), {.code = ETIMEDOUT, .words = "nothing came"});
    answer(connection.ref(), {});
    answer(connection.ref(), {.code = ENOSPC, .words = "the disk is full"});
    answer(connection.ref(), {});
  });
  auto asking = client();
  EXPECT_FALSE(asking.fetch(*blob_, 0, 1));
  EXPECT_TRUE(asking.fetch(*other, 0, 1));
  // What the network has no part in may be over at once.
  EXPECT_TRUE(asking.fetch(*other, 0, 1).error().is(ENOSPC));
  EXPECT_TRUE(asking.fetch(*other, 0, 1));
  fetcher.join();
}

TEST_F(FetcherClientTest, TakesWhatIsLentWhole) {
  std::thread fetcher([&] {
    const Fd connection = *sys::accept(listening_.ref());
    const auto request = answer(connection.ref(), {.code = 0, .words = std::string(100, 'x')});
    EXPECT_EQ(request.verb, fetch::Verb::lend);
    EXPECT_EQ(request.first, 0u);
    answer(connection.ref(), {.code = 0, .words = std::string(99, 'x')});
  });
  auto asking = client();
  const auto lent = asking.lend(*blob_, 0);
  ASSERT_TRUE(lent) << lent.error().message();
  EXPECT_EQ(*lent, std::vector(100, std::byte{'x'}));
  EXPECT_TRUE(asking.lend(*blob_, 0).error().is(EPROTO));
  fetcher.join();
}

TEST_F(FetcherClientTest, GivesUpWhenNothingComes) {
  auto asking = client(std::chrono::milliseconds(1));
  const auto silent = asking.fetch(*blob_, 0, 1);  // connected, and nobody answers
  ASSERT_FALSE(silent);
  EXPECT_TRUE(silent.error().is(ETIMEDOUT));
}

TEST_F(FetcherClientTest, TriesAnotherConnectionWhenOneEndsAndSaysSoWhenAllDo) {
  std::thread fetcher([&] {
    for (int i = 0; i < 4; ++i) (void)*sys::accept(listening_.ref());
    answer(sys::accept(listening_.ref())->ref(), {});
  });
  EXPECT_TRUE(client().fetch(*blob_, 0, 1));
  fetcher.join();
  std::thread dying([&] {
    for (int i = 0; i < 5; ++i) (void)*sys::accept(listening_.ref());
  });
  EXPECT_THAT(client().fetch(*blob_, 0, 1).error().message(), HasSubstr("ends again and again"));
  dying.join();
}

TEST_F(FetcherClientTest, SaysWhatIsMissingWhereNobodyListensAndNobodyCanBeStarted) {
  listening_.reset();
  ::setenv("ACETATE_FETCHER", (dir_ / "nothing").c_str(), 1);
  EXPECT_THAT(client().fetch(*blob_, 0, 1).error().message(), HasSubstr("is not a program"));
  dir_.write("fails", "#!/bin/sh\necho it cannot >&2\nexit 3\n", 0755);
  ::setenv("ACETATE_FETCHER", (dir_ / "fails").c_str(), 1);
  EXPECT_THAT(client().fetch(*blob_, 0, 1).error().message(), HasSubstr("it cannot"));
  ::unsetenv("ACETATE_FETCHER");
}

}  // namespace
}  // namespace acetate
