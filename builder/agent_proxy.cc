#include "builder/agent_proxy.h"

#include <fcntl.h>
#include <poll.h>

#include <list>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "base/sys/unix_socket.h"

namespace acetate::build {

namespace {

Result<Fd> connect_to(const std::string& path) { return sys::connect_unix(path, sys::SocketKind::stream); }

Result<Fd> listen_at(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const Fd dir = TRY(sys::open(path.substr(0, slash), O_PATH | O_DIRECTORY));
  return sys::listen_unix(dir.ref(), path.substr(slash + 1), sys::SocketKind::stream);
}

// Bytes both ways, until either side is done.
struct Connection {
  Fd client, agent;
};

// False when the connection is over. Requests and answers of an agent are small (256 KiB at most), and each side reads
// what it is sent before it writes again, so writing at once does not block for long.
bool hand_on(FdRef from, FdRef to) {
  std::byte buffer[16 << 10];
  const auto got = sys::read(from, buffer);
  return got && *got != 0 && sys::send_full(to, std::span<const std::byte>(buffer, *got)).has_value();
}

void serve(const Fd& listening, const Fd& stop, const std::string& upstream) {
  std::list<Connection> connections;
  for (;;) {
    std::vector<pollfd> polled{{stop.ref().fd, POLLIN, 0}, {listening.ref().fd, POLLIN, 0}};
    for (const Connection& each : connections) {
      polled.push_back({each.client.ref().fd, POLLIN, 0});
      polled.push_back({each.agent.ref().fd, POLLIN, 0});
    }
    if (!sys::done(sys::Call::poll, [&] { return ::poll(polled.data(), polled.size(), -1); })) return;
    if (polled[0].revents != 0) return;
    std::size_t at = 2;
    for (auto each = connections.begin(); each != connections.end(); at += 2) {
      const bool open = (polled[at].revents == 0 || hand_on(each->client.ref(), each->agent.ref())) &&
                        (polled[at + 1].revents == 0 || hand_on(each->agent.ref(), each->client.ref()));
      each = open ? std::next(each) : connections.erase(each);
    }
    if (polled[1].revents == 0) continue;
    auto client = sys::accept(listening.ref());
    if (!client) continue;
    // Nobody there any more: the client sees its connection end.
    if (auto agent = connect_to(upstream)) connections.push_back({*std::move(client), *std::move(agent)});
  }
}

}  // namespace

Result<AgentProxy> AgentProxy::start(const std::string& path, const std::string& upstream) {
  if (auto agent = connect_to(upstream); !agent) return std::move(agent).error().within("nobody listens at " + upstream);
  Fd listening = TRY(listen_at(path));
  sys::Pipe stop = TRY(sys::make_pipe());
  std::thread thread([listening = std::move(listening), read = std::move(stop.read), upstream] { serve(listening, read, upstream); });
  return AgentProxy(std::move(stop.write), std::move(thread));
}

AgentProxy::~AgentProxy() {
  stop_.reset();
  if (thread_.joinable()) thread_.join();
}

}  // namespace acetate::build
