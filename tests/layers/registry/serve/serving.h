// A server of ours over a store of its own, and requests to it: by our client, and of any making where a client would not misbehave.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/unix_socket.h"
#include "layers/registry/registry.h"
#include "layers/registry/serve/server.h"
#include "tests/layers/registry/stored_sample.h"
#include "tests/support/temp_dir.h"

namespace acetate::test {

struct Answer {
  int status = 0;
  registry::Headers headers = {};
  std::string body = {};
  std::string header(const char* name) const {
    const auto* value = headers.find(name);
    return value == nullptr ? "" : *value;
  }
};

class Serving : public testing::Test {
 protected:
  TempDir dir_;
  std::unique_ptr<image::ImageStore> store_ = open_store(dir_ / "served");
  std::unique_ptr<registry::Server> server_;
  std::thread thread_;
  const char* client_address_ = "127.0.0.1";
  std::unique_ptr<registry::Http> http_;
  std::unique_ptr<registry::Registry> client_;

  void start(registry::ServerOptions options = {}) {
    options.port = 0;
    auto opened = registry::Server::open({.dir = dir_ / "served"}, options);
    ASSERT_TRUE(opened) << opened.error().message();
    server_ = *std::move(opened);
    thread_ = std::thread([this] { EXPECT_TRUE(server_->run()); });
    http_ = *registry::Http::make();
  }
  void TearDown() override {
    client_.reset();
    http_.reset();  // with its connections, so that the server need not wait for them
    if (server_ != nullptr) server_->stop();
    if (thread_.joinable()) thread_.join();
  }

  std::string host() const { return "127.0.0.1:" + std::to_string(server_->port()); }
  registry::Registry& client(std::optional<registry::Login> login = {}) {
    auto connected = registry::Registry::connect(*http_, {.host = host(), .login = std::move(login)});
    EXPECT_TRUE(connected) << connected.error().message();
    client_ = *std::move(connected);
    return *client_;
  }
  Answer ask(const std::string& method, const std::string& path, registry::Headers headers = {},
             std::optional<std::string> body = {}) {
    registry::Request request{.method = method, .url = "http://" + host() + path, .headers = std::move(headers)};
    if (body) request.body = registry::Body::text(*std::move(body));
    auto got = http_->start(std::move(request));
    EXPECT_TRUE(got) << got.error().message();
    Answer answer{.status = got->status(), .headers = got->headers()};
    answer.body = *got->read_all(64 << 20);
    return answer;
  }
  // From client_address_, to be spoken over by hand.
  Fd connect() {
    Fd socket(Adopt{}, ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in from{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {}, .sin_zero = {}};
    EXPECT_EQ(::inet_pton(AF_INET, client_address_, &from.sin_addr), 1);
    EXPECT_EQ(::bind(socket.ref().fd, reinterpret_cast<const sockaddr*>(&from), sizeof from), 0);
    const sockaddr_in address{.sin_family = AF_INET,
                              .sin_port = htons(static_cast<std::uint16_t>(server_->port())),
                              .sin_addr = {htonl(INADDR_LOOPBACK)},
                              .sin_zero = {}};
    EXPECT_EQ(::connect(socket.ref().fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return socket;
  }
  // What comes back for each of these, sent one after the other over one connection as the answers come.
  std::vector<std::string> say(const std::vector<std::string>& requests) {
    const Fd socket = connect();
    std::vector<std::string> answers;
    for (const auto& request : requests) {
      (void)sys::send_full(socket.ref(), request);  // what comes back says how that went
      auto& answer = answers.emplace_back();
      std::array<char, 4096> piece;
      for (ssize_t got;
           !answer.ends_with("}") && (got = ::recv(socket.ref().fd, piece.data(), piece.size(), 0)) > 0;)
        answer.append(piece.data(), static_cast<std::size_t>(got));
    }
    return answers;
  }
  // The files of uploads that did not end.
  std::vector<std::string> unfinished() {
    std::vector<std::string> names;
    const auto dir = sys::open(dir_ / "served", O_RDONLY | O_DIRECTORY);
    EXPECT_TRUE(dir && sys::read_dir(dir->ref(), [&](const sys::DirEntry& entry) {
      if (entry.name.starts_with(".acetate-blob-")) names.emplace_back(entry.name);
      return true;
    }));
    return names;
  }
  std::string begin_upload(const std::string& query = "") {
    return ask("POST", "/v2/a/blobs/uploads/" + query).header("Location");
  }
};

}  // namespace acetate::test
