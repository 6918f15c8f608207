// cpp-httplib made a registry: threads, TLS, permission, and requests handed to the handlers.
#include "layers/registry/serve/server.h"

#include <httplib.h>

#include <atomic>
#include <memory>
#include <thread>

#include "base/log.h"
#include "base/sys/file.h"
#include "base/sys/tcp_socket.h"
#include "layers/registry/serve/answers.h"
#include "layers/registry/serve/handlers.h"
#include "layers/registry/serve/htpasswd.h"

namespace acetate::registry {

namespace {

// Connections at once. A client has about six, and one that has sent half a request has its thread until the read timeout, whoever it is.
constexpr std::size_t kThreads = 256;
constexpr std::size_t kMaxFile = 1 << 20;

class HttpServer final : public Server {
 public:
  HttpServer(image::StorePlace store, const ServerOptions& options, std::unique_ptr<httplib::Server> http,
             std::unique_ptr<Htpasswd> users)
      : handlers_(std::move(store), {.read_only = options.read_only, .allow_delete = options.allow_delete}),
        http_(std::move(http)),
        users_(std::move(users)) {}

  Result<void> bind(const std::string& host, int port) {
    http_->new_task_queue = [] { return new httplib::ThreadPool(kThreads); };  // owned by httplib
    // Its own choice is SO_REUSEPORT, by which a second server would take half of the first one's clients.
    http_->set_socket_options([](socket_t socket) {
      // What fails here fails again, in words, when it is bound.
      (void)sys::reuse_address(FdRef{socket});
    });
    http_->set_tcp_nodelay(true);
    http_->set_keep_alive_max_count(100000);
    http_->set_read_timeout(60);
    http_->set_write_timeout(60);
    http_->set_default_headers({{"Docker-Distribution-API-Version", "registry/2.0"}});
    http_->set_pre_routing_handler(
        [this](const auto& request, auto& response) { return admit(request, response); });
    http_->set_exception_handler([](const auto&, auto& response, std::exception_ptr) {
      refuse(response, fail(EIO, "a request ended by an internal error"), "UNKNOWN");
    });
    http_->Get(".*",
               [this](const auto& request, auto& response) { handlers_.handle(request, response, nullptr); });
    const auto with_content = [this](const auto& request, auto& response, const auto& content) {
      RequestBody body(request, content);
      handlers_.handle(request, response, &body);
      body.settle(response);
    };
    http_->Post(".*", with_content)
        .Put(".*", with_content)
        .Patch(".*", with_content)
        .Delete(".*", with_content);
    port_ = port == 0 ? http_->bind_to_any_port(host) : http_->bind_to_port(host, port) ? port : -1;
    if (port_ > 0) return {};
    return fail(EADDRINUSE, "cannot listen on {}:{}: the address is in use or not ours", host, port);
  }

  int port() const override { return port_; }

  Result<void> run() override {
    entered_ = true;
    const bool well = stopped_ || http_->listen_after_bind();
    left_ = true;
    if (!well && !stopped_) return fail(ENOTSUP, "the listening socket broke");
    return {};
  }

  void stop() override {
    stopped_ = true;
    // httplib forgets a stop that comes before its loop has begun.
    while (entered_ && !left_ && !http_->is_running()) std::this_thread::yield();
    http_->stop();
  }

  void tidy() override { handlers_.tidy(); }

 private:
  httplib::Server::HandlerResponse admit(const httplib::Request& request, httplib::Response& response) {
    // httplib would cut ranges out of our answers itself, and does not look at how long they are. The object
    // is its own, and not const.
    const_cast<httplib::Request&>(request).ranges.clear();
    if (users_ == nullptr || users_->accepts(request.get_header_value("Authorization")))
      return httplib::Server::HandlerResponse::Unhandled;
    response.set_header("WWW-Authenticate", R"(Basic realm="acetate")");
    // A body nobody reads would be taken for the next request.
    if (RequestBody::is_there(request)) response.set_header("Connection", "close");
    refuse(response, "UNAUTHORIZED", "a login is needed");
    return httplib::Server::HandlerResponse::Handled;
  }

  Handlers handlers_;
  std::unique_ptr<httplib::Server> http_;
  std::unique_ptr<Htpasswd> users_;  // null: everybody may
  int port_ = -1;
  std::atomic<bool> entered_ = false, stopped_ = false, left_ = false;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::open(image::StorePlace store, const ServerOptions& options) {
  std::unique_ptr<Htpasswd> users;
  if (!options.htpasswd_file.empty()) {
    const auto text =
        TRY_WITHIN(sys::read_file(options.htpasswd_file, kMaxFile), "reading {}", options.htpasswd_file);
    users = std::make_unique<Htpasswd>(TRY(Htpasswd::parse(text, options.htpasswd_file)));
  }
  std::unique_ptr<httplib::Server> http;
  if (options.certificate_file.empty()) {
    http = std::make_unique<httplib::Server>();
  } else {
    http = std::make_unique<httplib::SSLServer>(options.certificate_file.c_str(), options.key_file.c_str());
    if (!http->is_valid())
      return fail(EINVAL, "{} and {} are no certificate and its key in PEM", options.certificate_file,
                  options.key_file);
  }
  auto server = std::make_unique<HttpServer>(std::move(store), options, std::move(http), std::move(users));
  TRY(server->bind(options.host, options.port));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace acetate::registry
