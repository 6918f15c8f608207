#include "builder/agent_proxy.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <list>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/process.h"

namespace acetate::build {

namespace {

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(ENAMETOOLONG, "the socket {}: the path is too long", path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Result<Fd> make_socket() {
  return Fd(Adopt{}, TRY(sys::checked(sys::Call::socket, [] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); })));
}

// A path that is too long for an address is reached through a descriptor.
Result<Fd> connect_to(const std::string& path) {
  Fd socket = TRY(make_socket());
  const Fd target = TRY(sys::open(path, O_PATH));
  const sockaddr_un address = TRY(address_of(sys::ProcFdPath(target.ref()).c_str()));
  TRY(sys::done(sys::Call::socket, [&] {
    return ::connect(socket.ref().fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }));
  return socket;
}

Result<Fd> listen_at(const std::string& path) {
  Fd socket = TRY(make_socket());
  const std::size_t slash = path.rfind('/');
  const Fd dir = TRY(sys::open(path.substr(0, slash), O_PATH | O_DIRECTORY));
  const sockaddr_un address = TRY(address_of(fmt::format("{}/{}", sys::ProcFdPath(dir.ref()).c_str(), path.substr(slash + 1))));
  TRY(sys::done(sys::Call::socket, [&] {
    return ::bind(socket.ref().fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }));
  TRY(sys::done(sys::Call::socket, [&] { return ::listen(socket.ref().fd, 16); }));
  return socket;
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
  if (!got || *got == 0) return false;
  for (std::span<const std::byte> rest(buffer, *got); !rest.empty();) {
    // MSG_NOSIGNAL: who has gone away is no reason to end us.
    const auto sent = ::send(to.fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    rest = rest.subspan(static_cast<std::size_t>(sent));
  }
  return true;
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
    const int accepted = ::accept4(listening.ref().fd, nullptr, nullptr, SOCK_CLOEXEC);
    if (accepted < 0) continue;
    Fd client(Adopt{}, accepted);
    // Nobody there any more: the client sees its connection end.
    if (auto agent = connect_to(upstream)) connections.push_back({std::move(client), *std::move(agent)});
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
