// Where connections wait until there is something to do for them: before a request's head is all here none takes a thread, so whoever sends half of one, or
// nothing, keeps nobody else waiting.
#pragma once

#include <poll.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/sys/unix_socket.h"
#include "layers/registry/serve/connection.h"
#include "layers/registry/serve/serve_limits.h"

namespace acetate::registry {

// Thread-safe.
class Lobby {
 public:
  // Whoever serves the request that has come; true where the connection may bring another. Called on many threads.
  using Serve = std::function<bool(Connection&)>;
  static Result<std::unique_ptr<Lobby>> open(const ServeLimits& limits, Serve serve);
  ~Lobby();

  void enter(std::unique_ptr<Connection> connection);
  // Ends whoever waits, and returns when those who are served have their answers. Nobody enters any more.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;
  struct Guest {
    std::unique_ptr<Connection> connection;
    Clock::time_point until;      // then it goes
    bool is_begun = true;         // a request has begun to come, or must at once
    bool is_ready = false;        // it is here, and all threads, or all that its peer may have, are taken
    bool is_over = false;
  };

  Lobby(const ServeLimits& limits, Serve serve, sys::SocketPair bell);
  void watch();
  // Until one of the guests has sent something, somebody comes, or the time of one is over.
  void wait(std::vector<pollfd>& waited);
  void welcome();
  void advance(Guest& guest);
  void make_room(std::size_t served);
  void hand_out();
  void work(std::unique_ptr<Connection> connection);
  void ring();

  const ServeLimits limits_;
  const Serve serve_;
  const sys::SocketPair bell_;  // rung where wait() must look up
  std::vector<Guest> guests_;  // the watcher's alone

  Mutex mutex_;
  std::vector<Guest> coming_ GUARDED_BY(mutex_);
  std::map<std::string, std::size_t> served_ GUARDED_BY(mutex_);  // by peer
  std::size_t serving_ GUARDED_BY(mutex_) = 0;
  bool is_stopped_ GUARDED_BY(mutex_) = false;

  httplib::ThreadPool workers_;
  std::thread watcher_;
};

}  // namespace acetate::registry
