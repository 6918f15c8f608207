// HTTP as a registry client needs it: many exchanges at once on few connections, each read like a file.
//
// One thread of ours drives libcurl's multi interface, so that connections are kept and HTTP/2 is multiplexed
// whoever asks. An Exchange belongs to the thread that started it, which blocks for what it reads; a body nobody
// reads is paused after a mebibyte and fills no memory. Redirects are answered as themselves: whether a secret may
// follow one is decided above (endpoint.h). Proxies are taken from the environment as curl(1) has it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace acetate::registry {

struct Transfer;  // http_loop.h
class HttpLoop;

class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string, std::string>> list) : list_(list) {}
  void add(std::string name, std::string value) { list_.emplace_back(std::move(name), std::move(value)); }
  // The first of that name, whatever its case; null when there is none.
  const std::string* find(std::string_view name) const;
  std::vector<std::string> all(std::string_view name) const;
  void remove(std::string_view name);
  auto begin() const { return list_.begin(); }
  auto end() const { return list_.end(); }

 private:
  std::vector<std::pair<std::string, std::string>> list_;
};

// What is sent with a request. `read` fills a part of the buffer from `offset` on and is called on the thread of
// the Http object, in order, from the beginning again when a request is repeated.
struct Body {
  std::uint64_t size = 0;
  std::function<Result<std::size_t>(std::span<std::byte> into, std::uint64_t offset)> read = {};

  static Body text(std::string content);
  explicit operator bool() const { return read != nullptr; }
};

struct Tls {
  bool verify = true;
  std::string authorities = {};                       // PEM, trusted besides the system's own
  std::string certificate_file = {}, key_file = {};  // ours, for those who ask for one
  bool operator==(const Tls&) const = default;
};

struct Request {
  std::string method = "GET";
  std::string url;
  Headers headers = {};
  Body body = {};
  Tls tls = {};
};

// An answer whose headers are there and whose body is being received. Destroying it gives up the rest.
class Exchange {
 public:
  ~Exchange();
  Exchange(Exchange&&) noexcept;
  Exchange& operator=(Exchange&&) noexcept;

  int status() const;
  bool ok() const { return status() >= 200 && status() < 300; }
  const Headers& headers() const;
  const std::string& url() const;
  // Its Content-Length; nothing when it has none, or none that is a number.
  std::optional<std::uint64_t> length() const;

  // The next bytes, valid until the next call; empty at the end. ECONNRESET with words when the peer closed the
  // connection before the length it announced.
  Result<std::span<const std::byte>> read();
  // All of it; EFBIG with words past `limit`.
  Result<std::string> read_all(std::size_t limit);

 private:
  friend class Http;
  explicit Exchange(std::shared_ptr<Transfer> transfer);
  std::shared_ptr<Transfer> transfer_;
};

struct HttpOptions {
  long connect_seconds = 30;  // to reach a host at all
  long stall_seconds = 60;    // without a byte in either direction; then ETIMEDOUT
};

// Thread-safe. Exchanges must end before it does.
class Http {
 public:
  static Result<std::unique_ptr<Http>> make(const HttpOptions& options = {});
  ~Http();

  // Sends the request and waits for the headers of the answer, whatever its status. Errors have words that name
  // the host: EHOSTUNREACH (no such name), ECONNREFUSED, ETIMEDOUT, ECONNRESET (the connection broke, or what was
  // received is no HTTP), EKEYREJECTED (its certificate is not trusted), EPROTO (TLS, and other things wrong).
  Result<Exchange> start(Request request);

 private:
  explicit Http(std::unique_ptr<HttpLoop> loop);
  std::unique_ptr<HttpLoop> loop_;
};

// Whether trying once more may help: the network's errors and EREMOTEIO, by which we say that a server is in trouble;
// not those of certificates or of our own making.
bool is_transient(const Error& error);

}  // namespace acetate::registry
