// What clients may take of the server, each for himself and all together.
#pragma once

#include <chrono>
#include <cstddef>

namespace acetate::registry {

struct ServeLimits {
  std::size_t connections = 512;  // open at once: beyond that the one who waits for longest, of the peer who has most of them waiting, goes
  std::size_t served = 256;       // at once; each has a thread
  std::size_t served_of_peer = 192;
  std::chrono::milliseconds head{20'000};      // for all of a request's head, from the connection or its first byte on
  std::chrono::milliseconds idle{60'000};      // between requests
  std::chrono::milliseconds patience{60'000};  // with a peer who is slow to send a body or to take an answer (patience.h)
};

}  // namespace acetate::registry
