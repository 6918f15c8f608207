#include "layers/registry/serve/request_body.h"

namespace acetate::registry {

namespace {

constexpr std::size_t kDropped = 256 << 10;  // more is cheaper to send again over a new connection

}  // namespace

bool RequestBody::is_there(const httplib::Request& request) {
  return request.has_header("Content-Length") || request.has_header("Transfer-Encoding");
}

bool RequestBody::read(const httplib::ContentReceiver& receive) {
  if (!left_) return true;
  if (begun_) return false;
  begun_ = true;
  left_ = !content_(receive);
  return !left_;
}

void RequestBody::settle(httplib::Response& response) {
  const int status = response.status;  // which httplib overwrites when a body is not read to its end
  std::size_t dropped = 0;
  const bool dry = read([&](const char*, std::size_t size) {
    dropped += size;
    return dropped <= kDropped;
  });
  response.status = status;
  if (!dry) response.set_header("Connection", "close");
}

}  // namespace acetate::registry
