// acetate serve: our store as a registry, until it is told to end. Understands the options; acetate-serve does it.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <charconv>
#include <memory>

#include "base/sys/self.h"
#include "cli/command.h"
#include "cli/paths.h"
#include "cli/store_place.h"
#include "layers/registry/url.h"
#include "layers/registry/serve/command_line.h"

namespace acetate::cli {

namespace {

struct Options {
  std::string listen = "127.0.0.1:5000";
  registry::ServerOptions server;
  bool insecure = false;
};

// "HOST:PORT", ":PORT", "PORT", "[::1]:PORT".
Result<void> parse_listen(const std::string& text, registry::ServerOptions& server) {
  const auto colon = text.rfind(':');
  const auto digits = colon == std::string::npos ? text : text.substr(colon + 1);
  if (colon != std::string::npos && colon != 0) server.host = text.substr(0, colon);
  if (server.host.starts_with('[') && server.host.ends_with(']'))
    server.host = server.host.substr(1, server.host.size() - 2);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), server.port);
  if (error != std::errc() || end != digits.data() + digits.size() || server.port < 0 || server.port > 65535)
    return fail(EINVAL, "\"{}\" is no HOST:PORT to listen on", text);
  return {};
}

Result<void> check_exposure(const Options& options) {
  const auto& server = options.server;
  if (server.certificate_file.empty() != server.key_file.empty())
    return fail(EINVAL, "--tls-cert and --tls-key come together");
  if (options.insecure || registry::is_loopback(server.host == "::1" ? "[::1]" : server.host)) return {};
  if (server.certificate_file.empty())
    return fail(EPERM, "{} is reached from elsewhere: give --tls-cert and --tls-key, or say --insecure",
                server.host);
  if (server.htpasswd_file.empty() && !server.read_only)
    return fail(EPERM, "anybody could push to {}: give --htpasswd or --read-only, or say --insecure",
                server.host);
  return {};
}

Result<int> serve(Options options) {
  TRY(parse_listen(options.listen, options.server));
  TRY(check_exposure(options));
  const registry::ServeRequest request{.store = TRY(store_place(TRY(find_paths()))), .options = options.server};
  const std::string program = TRY(registry::find_serve_program());
  return sys::become(program, registry::to_arguments(request)).within("starting " + program);
}

}  // namespace

Runner serve_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("--listen", options->listen, "HOST:PORT (127.0.0.1:5000); port 0 is any that is free")
      ->type_name("");
  app.add_option("--tls-cert", options->server.certificate_file, "the certificate, PEM")->type_name("");
  app.add_option("--tls-key", options->server.key_file, "its key, PEM")->type_name("");
  app.add_option("--htpasswd", options->server.htpasswd_file,
                 "who may come in: NAME:HASH, as htpasswd -B writes them")
      ->type_name("");
  app.add_flag("--read-only", options->server.read_only, "give images and take none");
  app.add_flag("--allow-delete", options->server.allow_delete, "let clients delete tags and manifests");
  app.add_flag("--insecure", options->insecure, "listen for other machines without TLS or passwords");
  return [options](const Context&) { return serve(*options); };
}

}  // namespace acetate::cli
