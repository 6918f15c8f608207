// cpp-httplib made a registry: TLS, permission, and requests handed to the handlers.
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
#include "layers/registry/serve/lobby.h"

namespace acetate::registry {

namespace {

constexpr std::size_t kMaxFile = 1 << 20;
constexpr int kUnaccepted = 256;

// What httplib would have a thread of its own do is done where it accepts: the connection goes to the lobby.
class AtOnce final : public httplib::TaskQueue {
 public:
  void enqueue(std::function<void()> task) override { task(); }
  void shutdown() override {}
};

// httplib's server, with connections of ours.
class FrontServer final : public httplib::Server {
 public:
  explicit FrontServer(std::function<void(Fd)> enter) : enter_(std::move(enter)) {
    new_task_queue = [] { return new AtOnce; };  // owned by httplib
    set_post_routing_handler([](const auto&, const auto& response) { is_last_ = response.get_header_value("Connection") == "close"; });
  }

  // Reads a request and answers it. True where another may follow.
  bool serve(Connection& connection) {
    bool closed = is_last_ = false;
    return process_request(connection, false, closed, {}) && !closed && !is_last_;
  }

  // Of clients that we have not accepted yet httplib lets five wait, and a sixth comes again after a second.
  Result<void> let_wait(int clients) { return sys::let_wait(FdRef{svr_sock_}, clients); }

 private:
  bool process_and_close_socket(socket_t socket) override {
    enter_(Fd(Adopt{}, socket));
    return true;
  }

  const std::function<void(Fd)> enter_;
  static thread_local bool is_last_;  // what is answered says that nothing follows
};

thread_local bool FrontServer::is_last_ = false;

class HttpServer final : public Server {
 public:
  // `tls`: null for none.
  HttpServer(image::StorePlace store, const ServerOptions& options, std::unique_ptr<httplib::SSLServer> tls, std::unique_ptr<Htpasswd> users)
      : handlers_(std::move(store), {.read_only = options.read_only, .allow_delete = options.allow_delete}),
        tls_(std::move(tls)),
        limits_(options.limits),
        http_(std::make_unique<FrontServer>([this](Fd socket) { enter(std::move(socket)); })),
        users_(std::move(users)) {}

  ~HttpServer() override {
    if (lobby_ != nullptr) lobby_->stop();  // before anything goes that requests need
  }

  Result<void> bind(const std::string& host, int port) {
    lobby_ = TRY(Lobby::open(limits_, [this](Connection& connection) { return http_->serve(connection); }));
    // Its own choice is SO_REUSEPORT, by which a second server would take half of the first one's clients.
    http_->set_socket_options([](socket_t socket) {
      // What fails here fails again, in words, when it is bound.
      (void)sys::reuse_address(FdRef{socket});
    });
    http_->set_tcp_nodelay(true);
    http_->set_keep_alive_max_count(100000);
    http_->set_keep_alive_timeout(std::chrono::ceil<std::chrono::seconds>(limits_.idle).count());  // is told to clients
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
    if (port_ > 0) return http_->let_wait(kUnaccepted);
    return fail(EADDRINUSE, "cannot listen on {}:{}: the address is in use or not ours", host, port);
  }

  int port() const override { return port_; }

  Result<void> run() override {
    entered_ = true;
    const bool well = stopped_ || http_->listen_after_bind();
    lobby_->stop();
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
  void enter(Fd socket) {
    auto connection = Connection::accept(std::move(socket), tls_ == nullptr ? nullptr : tls_->ssl_context(), limits_.patience);
    if (connection) return lobby_->enter(*std::move(connection));
    log::warn("a connection is not taken: {}", connection.error().message());
  }

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
  const std::unique_ptr<httplib::SSLServer> tls_;  // for what it knows of certificates: it serves nothing
  const ServeLimits limits_;
  std::unique_ptr<FrontServer> http_;
  std::unique_ptr<Htpasswd> users_;  // null: everybody may
  std::unique_ptr<Lobby> lobby_;
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
  std::unique_ptr<httplib::SSLServer> tls;
  if (!options.certificate_file.empty()) {
    tls = std::make_unique<httplib::SSLServer>(options.certificate_file.c_str(), options.key_file.c_str());
    if (!tls->is_valid())
      return fail(EINVAL, "{} and {} are no certificate and its key in PEM", options.certificate_file,
                  options.key_file);
  }
  auto server = std::make_unique<HttpServer>(std::move(store), options, std::move(tls), std::move(users));
  TRY(server->bind(options.host, options.port));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace acetate::registry
