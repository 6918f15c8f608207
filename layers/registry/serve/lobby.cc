#include "layers/registry/serve/lobby.h"

#include <algorithm>
#include <array>
#include <exception>
#include <iterator>

#include "base/log.h"
#include "base/sys/tcp_socket.h"

namespace acetate::registry {

Result<std::unique_ptr<Lobby>> Lobby::open(const ServeLimits& limits, Serve serve) {
  auto bell = TRY(sys::make_socket_pair());
  TRY(sys::never_wait(bell.one.ref()));
  TRY(sys::never_wait(bell.other.ref()));
  return std::unique_ptr<Lobby>(new Lobby(limits, std::move(serve), std::move(bell)));
}

Lobby::Lobby(const ServeLimits& limits, Serve serve, sys::SocketPair bell)
    : limits_(limits), serve_(std::move(serve)), bell_(std::move(bell)), workers_(limits.served), watcher_([this] { watch(); }) {}

Lobby::~Lobby() { stop(); }

void Lobby::ring() {
  // A bell that is full rings already.
  constexpr std::array<std::byte, 1> kOnce{};
  (void)sys::send_some(bell_.other.ref(), kOnce);
}

void Lobby::enter(std::unique_ptr<Connection> connection) {
  {
    const Lock lock(mutex_);
    if (is_stopped_) return;
    coming_.push_back({.connection = std::move(connection), .until = Clock::now() + limits_.head});
  }
  ring();
}

void Lobby::stop() {
  {
    const Lock lock(mutex_);
    if (is_stopped_) return;
    is_stopped_ = true;
  }
  ring();
  watcher_.join();
  workers_.shutdown();
}

void Lobby::watch() {
  std::vector<pollfd> waited;
  for (;;) {
    {
      const Lock lock(mutex_);
      if (is_stopped_) break;
    }
    wait(waited);
    welcome();
    const auto now = Clock::now();
    std::erase_if(guests_, [&](const Guest& guest) { return guest.is_over || (!guest.is_ready && guest.until <= now); });
    hand_out();
  }
  guests_.clear();
}

void Lobby::wait(std::vector<pollfd>& waited) {
  waited.assign(1, {bell_.one.ref().fd, POLLIN, 0});
  auto until = Clock::time_point::max();
  for (const Guest& guest : guests_) {
    if (guest.is_ready)  // who has gone meanwhile is seen by whoever writes to it
      waited.push_back({-1, 0, 0});
    else
      waited.push_back({guest.connection->socket_ref().fd, guest.connection->wants(), 0}), until = std::min(until, guest.until);
  }
  int milliseconds = -1;
  if (until != Clock::time_point::max())
    milliseconds = static_cast<int>(std::max<long>(0, std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count()));
  if (const auto polled = sys::poll(waited, milliseconds); !polled) {
    log::error("waiting for connections: {}", polled.error().message());
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // a shortage of memory passes
    return;
  }
  std::array<std::byte, 1> rung;
  while (sys::receive_some(bell_.one.ref(), rung)) {
  }
  for (std::size_t i = 0; i < guests_.size(); ++i)
    if (waited[i + 1].revents != 0) advance(guests_[i]);
}

void Lobby::advance(Guest& guest) {
  const auto progress = guest.connection->advance();
  guest.is_ready = progress == Connection::Progress::request;
  guest.is_over = progress == Connection::Progress::over;
  if (guest.is_begun || !guest.connection->has_begun()) return;
  guest.is_begun = true;
  guest.until = Clock::now() + limits_.head;
}

void Lobby::welcome() {
  std::vector<Guest> coming;
  std::size_t serving;
  {
    const Lock lock(mutex_);
    coming.swap(coming_);
    serving = serving_;
  }
  for (Guest& guest : coming) {
    advance(guest);  // what it has sent by now, perhaps before it was here
    guests_.push_back(std::move(guest));
    make_room(serving);
  }
}

void Lobby::make_room(std::size_t serving) {
  if (guests_.size() + serving <= limits_.connections) return;
  std::map<std::string, std::size_t> here;
  for (const Guest& guest : guests_)
    if (!guest.is_ready) ++here[guest.connection->peer()];
  // In the order they came, those who were served and came back behind those who came since.
  const auto least = std::ranges::max_element(guests_, {}, [&](const Guest& guest) { return guest.is_ready ? 0 : here[guest.connection->peer()]; });
  guests_.erase(here.empty() ? std::prev(guests_.end()) : least);
}

void Lobby::hand_out() {
  for (auto each = guests_.begin(); each != guests_.end();) {
    if (!each->is_ready) {
      ++each;
      continue;
    }
    {
      const Lock lock(mutex_);
      if (serving_ >= limits_.served) return;
      auto& of_peer = served_[each->connection->peer()];
      if (of_peer >= limits_.served_of_peer) {
        ++each;
        continue;
      }
      ++of_peer;
      ++serving_;
    }
    // A task can be copied, and its connection is one.
    workers_.enqueue([this, connection = std::make_shared<std::unique_ptr<Connection>>(std::move(each->connection))] { work(std::move(*connection)); });
    each = guests_.erase(each);
  }
}

void Lobby::work(std::unique_ptr<Connection> connection) {
  bool stays = false;
  try {
    stays = serve_(*connection);
  } catch (const std::exception& error) {
    log::error("serving {}: {}", connection->peer(), error.what());
  }
  {
    const Lock lock(mutex_);
    const auto of_peer = served_.find(connection->peer());
    if (--of_peer->second == 0) served_.erase(of_peer);
    --serving_;
    if (stays && !is_stopped_) coming_.push_back({.connection = std::move(connection), .until = Clock::now() + limits_.idle, .is_begun = false});
  }
  connection.reset();
  ring();  // somebody may wait for a thread
}

}  // namespace acetate::registry
