#include "layers/registry/serve/connection.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>

#include "base/sys/tcp_socket.h"

namespace acetate::registry {

namespace {

// More than any client's head: one of more is none.
constexpr std::size_t kMostHead = 64 << 10;
constexpr std::size_t kPiece = 16 << 10;  // what TLS hands on at most

bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

std::string household(const std::string& ip) {
  // An IPv6 network of 64 bits is one customer's, who has as many addresses as he likes.
  std::size_t end = 0;
  for (int groups = 0; groups < 4; ++groups) {
    end = ip.find(':', end);
    if (end == std::string::npos || ip.compare(end, 2, "::") == 0) return ip.substr(0, end);
    ++end;
  }
  return ip.substr(0, end);
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::accept(Fd socket, SSL_CTX* tls, std::chrono::milliseconds patience) {
  TRY(sys::never_wait(socket.ref()));
  const auto peer = TRY(sys::peer_address(socket.ref()));
  SSL* session = nullptr;
  if (tls != nullptr) {
    session = ::SSL_new(tls);
    if (session == nullptr || ::SSL_set_fd(session, socket.ref().fd) != 1) {
      ::SSL_free(session);
      return Error(ENOMEM);
    }
    ::SSL_set_accept_state(session);
    ::SSL_set_mode(session, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }
  return std::unique_ptr<Connection>(new Connection(std::move(socket), household(peer.ip), session, patience));
}

Connection::Connection(Fd socket, std::string peer, SSL* tls, std::chrono::milliseconds patience)
    : socket_(std::move(socket)), peer_(std::move(peer)), tls_(tls), most_patience_(patience), patience_(patience), wants_(POLLIN) {}

Connection::~Connection() {
  if (tls_ != nullptr && !broken_) ::SSL_shutdown(tls_);  // a word of goodbye, where it can be said at once
  ::SSL_free(tls_);
}

Error Connection::trouble_of_tls() {
  // Which of them it is: asked of this session alone, since the queue of errors that SSL_get_error() looks at is the thread's, and another session's may stand there.
  const int wanted = ::SSL_want(tls_);
  if (wanted == SSL_READING || wanted == SSL_WRITING) {
    wants_ = wanted == SSL_READING ? POLLIN : POLLOUT;
    return Error(EAGAIN);
  }
  broken_ = true;
  return Error(ECONNRESET);
}

Result<std::size_t> Connection::take(std::span<std::byte> into) {
  if (tls_ == nullptr) {
    wants_ = POLLIN;
    return sys::receive_some(socket_.ref(), into);
  }
  const int got = ::SSL_read(tls_, into.data(), static_cast<int>(std::min(into.size(), kPiece)));
  if (got > 0) return static_cast<std::size_t>(got);
  if ((::SSL_get_shutdown(tls_) & SSL_RECEIVED_SHUTDOWN) != 0) return std::size_t{0};
  return trouble_of_tls();
}

Result<std::size_t> Connection::give(std::span<const std::byte> bytes) {
  if (tls_ == nullptr) {
    wants_ = POLLOUT;
    return sys::send_some(socket_.ref(), bytes);
  }
  const int given = ::SSL_write(tls_, bytes.data(), static_cast<int>(std::min(bytes.size(), kPiece)));
  if (given > 0) return static_cast<std::size_t>(given);
  return trouble_of_tls();
}

Result<std::size_t> Connection::fill() {
  if (begin_ == buffer_.size()) {
    buffer_.clear();
    begin_ = 0;
  }
  const std::size_t had = buffer_.size();
  buffer_.resize(had + kPiece);
  auto got = take(std::as_writable_bytes(std::span(buffer_).subspan(had)));
  buffer_.resize(had + (got ? *got : 0));
  return got;
}

Connection::Progress Connection::advance() {
  patience_ = Patience(most_patience_);
  for (;;) {
    begin_ = std::min(buffer_.find_first_not_of("\r\n", begin_), buffer_.size());  // empty lines before a request mean nothing (RFC 9112 §2.2)
    if (has_begun() && !is_letter(buffer_[begin_])) return Progress::over;          // no method: TLS, as a rule, where we speak none
    if (buffer_.find("\r\n\r\n", begin_) != std::string::npos) return Progress::request;
    if (buffer_.size() - begin_ > kMostHead) return Progress::over;
    const auto got = fill();
    if (!got) return got.error().is(EAGAIN) ? Progress::more : Progress::over;
    if (*got == 0) return Progress::over;
  }
}

// False when the other end has had all our patience.
bool Connection::wait() {
  const auto before = std::chrono::steady_clock::now();
  pollfd one{socket_.ref().fd, wants_, 0};
  const auto ready = sys::poll({&one, 1}, static_cast<int>(patience_.left().count()));
  patience_.waited(std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - before));
  return ready && *ready > 0;
}

ssize_t Connection::read(char* into, std::size_t size) {
  while (begin_ == buffer_.size()) {
    // Lines are read byte by byte, bodies in large pieces, which need not go through the buffer.
    const bool past = size >= kPiece;
    const auto got = past ? take(std::as_writable_bytes(std::span(into, size))) : fill();
    if (got) {
      patience_.moved(*got);
      if (past || *got == 0) return static_cast<ssize_t>(*got);
    } else if (!got.error().is(EAGAIN) || !wait()) {
      broken_ = true;
      return -1;
    }
  }
  const std::size_t given = std::min(size, buffer_.size() - begin_);
  std::memcpy(into, buffer_.data() + begin_, given);
  begin_ += given;
  return static_cast<ssize_t>(given);
}

ssize_t Connection::write(const char* bytes, std::size_t size) {
  while (!broken_) {
    const auto given = give(std::as_bytes(std::span(bytes, size)));
    if (given) {
      patience_.moved(*given);
      return static_cast<ssize_t>(*given);
    }
    broken_ = !given.error().is(EAGAIN) || !wait();
  }
  return -1;
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  auto address = sys::peer_address(socket_.ref());
  if (!address) return;  // gone by now, and nobody hears the answer
  ip = std::move(address->ip);
  port = address->port;
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  auto address = sys::own_address(socket_.ref());
  if (!address) return;
  ip = std::move(address->ip);
  port = address->port;
}

}  // namespace acetate::registry
