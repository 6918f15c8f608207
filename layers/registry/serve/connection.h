// One connection of the web server's: its bytes, with TLS or without, read ahead as far as the head of the next request.
#pragma once

#include <httplib.h>

#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "layers/registry/serve/patience.h"

namespace acetate::registry {

// For one thread at a time: the lobby's (lobby.h), where nobody waits for it, and then that of whoever serves its request, who does.
class Connection final : public httplib::Stream {
 public:
  // `tls`: as whom we answer; null for none. `patience` is what each request has for all of its body, and of the answer.
  static Result<std::unique_ptr<Connection>> accept(Fd socket, SSL_CTX* tls, std::chrono::milliseconds patience);
  ~Connection() override;

  // Who connected: those who are one count as one. An address, and of IPv6 the network that one household has.
  const std::string& peer() const { return peer_; }

  enum class Progress {
    more,     // something is to come yet
    request,  // a request's head is here
    over,     // nothing will come that we take
  };
  // Takes what has come of a request, and of the words before it that TLS has.
  Progress advance();
  // What advance() waits for, to be polled.
  FdRef socket_ref() const { return socket_.ref(); }
  short wants() const { return wants_; }
  // Whether something of a request is here.
  bool has_begun() const { return begin_ < buffer_.size(); }

  // httplib's, of whoever serves the request.
  bool is_readable() const override { return true; }
  bool is_writable() const override { return !broken_; }
  ssize_t read(char* into, std::size_t size) override;
  ssize_t write(const char* bytes, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_.ref().fd; }

 private:
  Connection(Fd socket, std::string peer, SSL* tls, std::chrono::milliseconds patience);

  // EAGAIN bare: wants_ tells what must be waited for first.
  Result<std::size_t> take(std::span<std::byte> into);
  Result<std::size_t> give(std::span<const std::byte> bytes);
  Error trouble_of_tls();
  bool wait();
  Result<std::size_t> fill();

  Fd socket_;
  const std::string peer_;
  SSL* const tls_;  // ours; null: none
  const std::chrono::milliseconds most_patience_;
  Patience patience_;
  short wants_;
  bool broken_ = false;
  std::string buffer_;  // received, and from begin_ on not yet read
  std::size_t begin_ = 0;
};

}  // namespace acetate::registry
