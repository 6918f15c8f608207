#include "layers/registry/fetcher/blob_fetch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "base/bytes.h"
#include "base/sys/call.h"
#include "tests/layers/registry/misbehaving.h"
#include "tests/support/temp_dir.h"

namespace acetate::registry {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

constexpr std::uint64_t kBlock = PartialBlob::kBlock;
constexpr std::chrono::milliseconds kPatience{600'000};

// A disk that takes nothing while there is one.
class Full final : public sys::Hook {
 public:
  explicit Full(int code = ENOSPC) : code_(code), before_(sys::install(this)) {}
  ~Full() override { sys::install(before_); }
  int before(sys::Call call) noexcept override { return call == sys::Call::pwrite ? code_ : 0; }

 private:
  const int code_;
  sys::Hook* const before_;
};

class BlobFetchTest : public testing::Test {
 protected:
  BlobFetchTest() {
    // Nobody's configuration.
    ::setenv("CONTAINERS_REGISTRIES_CONF", "/dev/null", 1);
    ::setenv("REGISTRY_AUTH_FILE", (dir_ / "auth.json").c_str(), 1);
    registry_.reset();
  }

  const std::string bytes_ = test::sample_bytes((3 << 20) + 12345);
  const test::TempDir dir_;
  test::MisbehavingRegistry registry_;
  const image::Descriptor descriptor_ = registry_.put_blob("a", bytes_);
  RemotePool pool_;
  SpareBlocks spare_;
  std::unique_ptr<BlobFetch> fetch_ = make([] {});

  std::unique_ptr<BlobFetch> make(std::function<void()> needs_whole) { return make(FetchEvents{.needs_whole = std::move(needs_whole)}); }
  std::unique_ptr<BlobFetch> make(FetchEvents events) {
    auto blob = PartialBlob::make(dir_.path(), {.blob = descriptor_.digest, .size = descriptor_.size});
    return std::make_unique<BlobFetch>(
        *std::move(blob),
        std::make_unique<BlobPlaces>(pool_, Ticket{.blob = descriptor_, .sources = {{.name = registry_.host() + "/a:1"}}}),
        spare_, std::move(events));
  }
  void fault(nlohmann::json fault) {
    fault["path"] = "/blobs/sha256";
    registry_.fault(fault);
  }
  std::vector<std::string> ranges() {
    std::vector<std::string> ranges;
    for (const auto& entry : registry_.requests("GET", "/blobs/")) ranges.push_back(entry["headers"].value("Range", ""));
    return ranges;
  }
  // Whether blocks `first` to `end` are there, and right.
  void expect_there(std::uint64_t first, std::uint64_t end) {
    std::vector<std::byte> into(kBlock);
    for (; first < end; ++first) {
      const auto there = fetch_->blob().read(first, into);
      ASSERT_TRUE(there && *there) << first;
      const auto expected = std::string_view(bytes_).substr(first * kBlock, fetch_->blob().bytes_of(first));
      EXPECT_TRUE(as_text(std::span(into).first(expected.size())) == expected) << first;
    }
  }
  Result<void> complete() {
    return fetch_->complete([] { return true; });
  }
};

TEST_F(BlobFetchTest, AsksForThePartThatIsWantedAndOnce) {
  ASSERT_TRUE(fetch_->fetch(1, 3, kPatience));
  ASSERT_TRUE(fetch_->fetch(1, 3, kPatience));
  expect_there(1, 3);
  EXPECT_EQ(*fetch_->blob().present_bytes(), 2 * kBlock);
  EXPECT_THAT(ranges(), ElementsAre("bytes=65536-196607"));
}

TEST_F(BlobFetchTest, TakesTheShortLastBlock) {
  const auto last = fetch_->blob().blocks() - 1;
  ASSERT_TRUE(fetch_->fetch(last, last + 7, kPatience));
  expect_there(last, last + 1);
}

TEST_F(BlobFetchTest, AsksOnceForManyWhoWantTheSame) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] { EXPECT_TRUE(fetch_->fetch(2, 20, kPatience)); });
  for (auto& thread : threads) thread.join();
  expect_there(2, 20);
  EXPECT_THAT(ranges(), SizeIs(1));
}

TEST_F(BlobFetchTest, TellsOfThoseWhoWaitAndNotOfWhatIsFetchedAhead) {
  int begun = 0, ended = 0;
  fetch_ = make(FetchEvents{.demand_begins = [&] { ++begun; }, .demand_ends = [&] { ++ended; }});
  ASSERT_TRUE(fetch_->fetch_ahead(1, 3, kPatience, [] { return true; }));
  expect_there(1, 3);
  EXPECT_EQ(begun, 0);
  ASSERT_TRUE(fetch_->fetch(2, 5, kPatience));
  expect_there(2, 5);
  EXPECT_EQ(begun, 1);
  EXPECT_EQ(ended, 1);
  EXPECT_THAT(ranges(), ElementsAre("bytes=65536-196607", "bytes=196608-327679"));
}

TEST_F(BlobFetchTest, StopsFetchingAheadWhenItIsTold) {
  const auto fetched = fetch_->fetch_ahead(0, 40, kPatience, [] { return false; });
  ASSERT_FALSE(fetched);
  EXPECT_TRUE(fetched.error().is(ECANCELED));
  EXPECT_LT(*fetch_->blob().present_bytes(), 40 * kBlock);
}

TEST_F(BlobFetchTest, FetchesNothingAheadWhereRangesAreIgnored) {
  fault({{"do", "ignore_range"}, {"times", -1}});
  bool whole = false;
  fetch_ = make([&] { whole = true; });
  const auto fetched = fetch_->fetch_ahead(40, 42, kPatience, [] { return true; });
  ASSERT_FALSE(fetched);
  EXPECT_TRUE(fetched.error().is(ECANCELED));
  EXPECT_FALSE(whole) << "nobody waits for it";
}

TEST_F(BlobFetchTest, GoesOnWhereAnAnswerBrokeOff) {
  fault({{"do", "truncate"}, {"at", 100000}});
  ASSERT_TRUE(fetch_->fetch(0, 4, kPatience));
  expect_there(0, 4);
  EXPECT_THAT(ranges(), ElementsAre("bytes=0-262143", "bytes=100000-262143"));
}

TEST_F(BlobFetchTest, OutlastsAServerInTrouble) {
  fault({{"do", "status"}, {"status", 503}, {"times", 6}});
  ASSERT_TRUE(fetch_->fetch(0, 1, kPatience));
  expect_there(0, 1);
}

TEST_F(BlobFetchTest, GivesUpWhenNothingComesForSoLong) {
  fault({{"do", "status"}, {"status", 503}, {"times", -1}});
  EXPECT_FALSE(fetch_->fetch(0, 1, std::chrono::milliseconds(1)));
  EXPECT_EQ(*fetch_->blob().present_bytes(), 0u);
}

TEST_F(BlobFetchTest, RefusesAPartItDidNotAskFor) {
  fault({{"do", "wrong_range"}, {"by", 10}});
  const auto fetched = fetch_->fetch(1, 2, kPatience);
  ASSERT_FALSE(fetched);
  EXPECT_TRUE(fetched.error().is(EBADMSG));
  EXPECT_EQ(*fetch_->blob().present_bytes(), 0u);
}

TEST_F(BlobFetchTest, HasTheWholeStreamedWhereRangesAreIgnored) {
  fault({{"do", "ignore_range"}, {"times", -1}});
  std::thread whole;
  fetch_ = make([&] {
    if (!whole.joinable()) whole = std::thread([&] { EXPECT_TRUE(complete()); });
  });
  ASSERT_TRUE(fetch_->fetch(40, 42, kPatience));
  expect_there(40, 42);
  whole.join();
  expect_there(0, fetch_->blob().blocks());
}

TEST_F(BlobFetchTest, LetsReadersWaitForWhoeverTakesUpAWholeThatGaveWay) {
  fault({{"do", "ignore_range"}, {"times", -1}});
  std::thread whole;
  fetch_ = make([&] {
    if (whole.joinable()) return;
    EXPECT_TRUE(fetch_->complete([] { return false; }).error().is(ECANCELED));
    whole = std::thread([&] { EXPECT_TRUE(complete()); });
  });
  const auto fetched = fetch_->fetch(40, 42, kPatience);
  EXPECT_TRUE(fetched) << fetched.error().message();
  whole.join();
}

TEST_F(BlobFetchTest, OutlastsARegistryWithoutRangesThatBreaksOffAndEndsWhenItBringsNothingNew) {
  fault({{"do", "truncate"}, {"at", 200000}});
  fault({{"do", "ignore_range"}, {"times", -1}});
  EXPECT_TRUE(complete());
  expect_there(0, fetch_->blob().blocks());

  ASSERT_TRUE(fetch_->blob().forget_all());
  registry_.reset();
  fault({{"do", "ignore_range"}, {"at", 200000}, {"times", -1}});
  const auto done = complete();
  ASSERT_FALSE(done);
  EXPECT_TRUE(done.error().is(ECONNRESET)) << done.error().message();
}

// What was verified stays what it is, whatever a late answer brings.
TEST_F(BlobFetchTest, WritesNothingAnewOfWhatIsHere) {
  ASSERT_TRUE(fetch_->fetch(0, 3, kPatience));
  fault({{"do", "corrupt"}, {"at", 70000}, {"times", -1}});
  // The gap between 2 and 5 is too little to be left out.
  ASSERT_TRUE(fetch_->blob().forget(0));
  ASSERT_TRUE(fetch_->fetch(0, 6, kPatience));
  expect_there(1, 3);
}

TEST_F(BlobFetchTest, CompletesWhatIsMissingAndVerifiesAllOfIt) {
  ASSERT_TRUE(fetch_->fetch(8, 40, kPatience));
  registry_.reset();
  ASSERT_TRUE(complete());
  expect_there(0, fetch_->blob().blocks());
  EXPECT_THAT(ranges(), SizeIs(2));
}

TEST_F(BlobFetchTest, FetchesOnceMoreWhatIsNotTheDigestsAndThenSaysSo) {
  fault({{"do", "corrupt"}, {"at", 70000}});
  ASSERT_TRUE(complete());
  expect_there(0, fetch_->blob().blocks());

  ASSERT_TRUE(fetch_->blob().forget_all());
  fault({{"do", "corrupt"}, {"at", 70000}, {"times", -1}});
  const auto again = complete();
  ASSERT_FALSE(again);
  EXPECT_TRUE(again.error().is(EBADMSG));
  EXPECT_EQ(*fetch_->blob().present_bytes(), 0u);
}

TEST_F(BlobFetchTest, GivesWayWhenItIsTold) {
  const auto done = fetch_->complete([] { return false; });
  ASSERT_FALSE(done);
  EXPECT_TRUE(done.error().is(ECANCELED));
}

TEST_F(BlobFetchTest, FetchesAgainABlockThatTheDiskLost) {
  ASSERT_TRUE(fetch_->fetch(0, 2, kPatience));
  auto content = dir_.read(PartialBlob::data_name(descriptor_.digest));
  content[kBlock + 5] ^= 1;
  dir_.write(PartialBlob::data_name(descriptor_.digest), content, 0600);
  ASSERT_TRUE(fetch_->fetch(0, 2, kPatience));
  expect_there(0, 2);
  EXPECT_THAT(ranges(), ElementsAre("bytes=0-131071", "bytes=65536-131071"));
}

TEST_F(BlobFetchTest, LendsWhatTheDiskHasNoRoomFor) {
  ASSERT_TRUE(fetch_->fetch(0, 1, kPatience));
  const auto expect_lent = [&](std::uint64_t block) {
    const auto lent = fetch_->lend(block, kPatience);
    ASSERT_TRUE(lent) << lent.error().message();
    EXPECT_TRUE(as_text(*lent) == std::string_view(bytes_).substr(block * kBlock, kBlock)) << block;
  };
  for (const int code : {ENOSPC, EDQUOT, EROFS, EIO}) {
    const Full full(code);
    EXPECT_TRUE(fetch_->fetch(0, 3, kPatience).error().is(ENOSPC));
    for (const std::uint64_t block : {0, 1, 2}) expect_lent(block);
  }
  EXPECT_THAT(ranges(), SizeIs(2)) << "nothing is asked for twice";
  {
    const Full full;
    expect_lent(7);
    expect_lent(fetch_->blob().blocks() - 1);
    EXPECT_TRUE(fetch_->fetch_ahead(8, 9, kPatience, [] { return true; }).error().is(ENOSPC)) << "nobody waits for it";
    EXPECT_TRUE(complete().error().is(ENOSPC));
  }
  EXPECT_TRUE(fetch_->lend(1000, kPatience).error().is(EINVAL));
  expect_there(0, 1);
  EXPECT_EQ(*fetch_->blob().present_bytes(), kBlock);

  registry_.reset();
  ASSERT_TRUE(fetch_->fetch(0, 3, kPatience)) << "there is room again";
  expect_there(0, 3);
  EXPECT_THAT(ranges(), SizeIs(0));
  ASSERT_TRUE(complete());
  expect_there(0, fetch_->blob().blocks());
}

TEST_F(BlobFetchTest, FetchesNoMoreOfAGreatPieceThanMemoryMayHave) {
  const std::string great = test::sample_bytes(20 << 20);
  const auto descriptor = registry_.put_blob("a", great);
  SpareBlocks few(std::size_t{2} << 20);
  BlobFetch fetch(*PartialBlob::make(dir_.path(), {.blob = descriptor.digest, .size = descriptor.size}),
                  std::make_unique<BlobPlaces>(pool_, Ticket{.blob = descriptor, .sources = {{.name = registry_.host() + "/a:1"}}}), few, {});
  const Full full;
  EXPECT_TRUE(fetch.fetch(0, 320, kPatience).error().is(ENOSPC));
  std::size_t sent = 0;
  for (const auto& entry : registry_.requests("GET", descriptor.digest.hex())) sent += entry.value("sent", std::size_t{0});
  EXPECT_LT(sent, great.size());
  // What made room for others comes again.
  for (const std::uint64_t block : {0, 100, 300, 0}) {
    const auto lent = fetch.lend(block, kPatience);
    ASSERT_TRUE(lent) << lent.error().message();
    EXPECT_TRUE(as_text(*lent) == std::string_view(great).substr(block * kBlock, kBlock)) << block;
  }
}

TEST_F(BlobFetchTest, ReadsTheTicketItWrote) {
  const TicketSource a{.name = "a.example/x:1", .verify_tls = false}, b{.name = "b.example/x:1", .authfile = "/auth"};
  ASSERT_TRUE(write_ticket(dir_.path(), {.blob = descriptor_, .sources = {a}}));
  ASSERT_TRUE(write_ticket(dir_.path(), {.blob = descriptor_, .sources = {b}}));
  const auto ticket = read_ticket(dir_.path(), descriptor_.digest);
  ASSERT_TRUE(ticket) << ticket.error().message();
  EXPECT_THAT(ticket->sources, ElementsAre(b, a)) << "what was allowed for one is not allowed for another";
  EXPECT_EQ(ticket->blob, descriptor_);
  EXPECT_EQ(ticket->blob.toc, std::nullopt);
  EXPECT_TRUE(read_ticket(dir_.path(), Digest::of("other")).error().is(ENOENT));

  auto with_table = descriptor_;
  with_table.toc = Digest::of("table");
  ASSERT_TRUE(write_ticket(dir_.path(), {.blob = with_table, .sources = {a}}));
  ASSERT_TRUE(write_ticket(dir_.path(), {.blob = descriptor_, .sources = {b}}));
  EXPECT_EQ(read_ticket(dir_.path(), descriptor_.digest)->blob.toc, Digest::of("table")) << "somebody may be shown the layer by it";

  std::vector<std::thread> writers;
  for (int i = 0; i < 8; ++i)
    writers.emplace_back([&, i] {
      const TicketSource source{.name = "c.example/x:" + std::to_string(i)};
      EXPECT_TRUE(write_ticket(dir_.path(), {.blob = descriptor_, .sources = {source}}));
    });
  for (auto& writer : writers) writer.join();
  EXPECT_THAT(read_ticket(dir_.path(), descriptor_.digest)->sources, SizeIs(10));
}

}  // namespace
}  // namespace acetate::registry
