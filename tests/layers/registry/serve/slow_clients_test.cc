// Clients of our registry who take their time, or more of it than they should: nobody else waits for them.
#include <gmock/gmock.h>

#include "layers/registry/serve/patience.h"
#include "tests/layers/registry/serve/serving.h"

namespace acetate::registry {
namespace {

using namespace std::chrono_literals;

class SlowClients : public test::Serving {
 protected:
  static constexpr const char* kHalf = "GET /v2/ HTTP/1.1\r\nHo";

  // Connections that have sent so much.
  std::vector<Fd> connections(int count, const std::string& text) {
    std::vector<Fd> made;
    for (int i = 0; i < count; ++i) {
      made.push_back(connect());
      EXPECT_TRUE(sys::send_full(made.back().ref(), text));
    }
    return made;
  }
  // What comes until the server has ended the connection.
  static std::string until_end(FdRef socket) {
    std::string all;
    std::array<char, 4096> piece;
    for (ssize_t got; (got = ::recv(socket.fd, piece.data(), piece.size(), 0)) > 0;) all.append(piece.data(), static_cast<std::size_t>(got));
    return all;
  }
  // Sends a byte now and then, for as long as anybody takes it.
  static void drip(FdRef socket) {
    while (sys::send_full(socket, "x")) std::this_thread::sleep_for(20ms);
  }
  std::string large_blob() {
    return "/v2/a/blobs/" + store_->put_blob(std::string(64 << 20, 'x'), "x")->digest.str();  // more than sockets hold
  }
};

TEST_F(SlowClients, HalfARequestTakesNoThread) {
  start({.limits = {.served = 1}});
  const auto halves = connections(100, kHalf), silent = connections(100, "");
  EXPECT_EQ(ask("GET", "/v2/").status, 200);
  ASSERT_TRUE(sys::send_full(halves[50].ref(), "st: x\r\nConnection: close\r\n\r\n"));
  EXPECT_THAT(until_end(halves[50].ref()), testing::StartsWith("HTTP/1.1 200")) << "and is answered when it is whole";
}

TEST_F(SlowClients, NorDoesAConnectionBetweenRequests) {
  start({.limits = {.served = 1}});
  const auto kept = connections(20, "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(ask("GET", "/v2/").status, 200);
  ASSERT_TRUE(sys::send_full(kept[0].ref(), "GET /v2/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  EXPECT_THAT(until_end(kept[0].ref()), testing::AllOf(testing::StartsWith("HTTP/1.1 200"), testing::HasSubstr("HTTP/1.1 404")));
}

TEST_F(SlowClients, TheOneThatWaitsForLongestMakesRoom) {
  start({.limits = {.connections = 10}});
  const auto halves = connections(100, kHalf);
  EXPECT_EQ(ask("GET", "/v2/").status, 200);
  EXPECT_EQ(until_end(halves[0].ref()), "");
  ASSERT_TRUE(sys::send_full(halves[99].ref(), "st: x\r\nConnection: close\r\n\r\n"));
  EXPECT_THAT(until_end(halves[99].ref()), testing::StartsWith("HTTP/1.1 200"));
}

TEST_F(SlowClients, AHeadComesInItsTimeOrNotAtAll) {
  start({.limits = {.head = 200ms}});
  const auto dripping = connections(1, kHalf), silent = connections(1, "");
  drip(dripping[0].ref());
  EXPECT_EQ(until_end(dripping[0].ref()), "");
  EXPECT_EQ(until_end(silent[0].ref()), "");
}

TEST_F(SlowClients, AHeadHasAnEnd) {
  start();
  const auto endless = connections(1, "GET /v2/ HTTP/1.1\r\n");
  while (sys::send_full(endless[0].ref(), "X: " + std::string(1000, 'x') + "\r\n")) {
  }
  EXPECT_EQ(ask("GET", "/v2/").status, 200);
}

TEST_F(SlowClients, ABodyThatDripsIsGivenUp) {
  start({.limits = {.served = 1, .patience = 200ms}});
  const auto location = begin_upload();
  const auto dripping = connections(1, "PATCH " + location + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
  drip(dripping[0].ref());
  EXPECT_THAT(ask("GET", location).header("Range"), testing::StartsWith("0-")) << "and what came is gone on with";
}

TEST_F(SlowClients, AReaderWhoDoesNotReadIsGivenUp) {
  start({.limits = {.served = 1, .patience = 200ms}});
  const auto path = large_blob();
  const auto idle = connections(1, "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(ask("GET", "/v2/").status, 200);
  EXPECT_LT(until_end(idle[0].ref()).size(), 64u << 20);
}

TEST_F(SlowClients, OnePeerHasNotAllThreads) {
  start({.limits = {.served = 2, .served_of_peer = 1}});
  client_address_ = "127.0.0.2";
  const auto idle = connections(5, "GET " + large_blob() + " HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(ask("GET", "/v2/").status, 200) << "of 127.0.0.1";
}

TEST(Patience, IsForWhoBringsNothing) {
  Patience patience(2s);
  for (int i = 0; i < 100; ++i) {  // a hundred seconds, at the slowest that is served
    patience.waited(1s);
    patience.moved(1000);
  }
  EXPECT_EQ(patience.left(), 2s);
  patience.waited(1500ms);
  patience.moved(100);
  EXPECT_EQ(patience.left(), 600ms);
  patience.moved(1 << 30);
  EXPECT_EQ(patience.left(), 2s) << "and nobody saves it up";
  patience.waited(1h);
  EXPECT_EQ(patience.left(), 0s);
}

}  // namespace
}  // namespace acetate::registry
