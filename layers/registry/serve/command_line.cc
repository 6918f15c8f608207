#include "layers/registry/serve/command_line.h"


#include "base/number.h"
#include "base/sys/self.h"

namespace acetate::registry {

namespace {

// Those that are texts.
constexpr std::pair<const char*, std::string ServerOptions::*> kTexts[] = {{"host", &ServerOptions::host},
                                                                          {"certificate", &ServerOptions::certificate_file},
                                                                          {"key", &ServerOptions::key_file},
                                                                          {"htpasswd", &ServerOptions::htpasswd_file}};
constexpr std::pair<const char*, bool ServerOptions::*> kFlags[] = {{"read-only", &ServerOptions::read_only},
                                                                   {"allow-delete", &ServerOptions::allow_delete}};

Error unknown(std::string_view word) {
  return fail(EINVAL, "\"{}\" is nothing that acetate-serve is told; it is started by `acetate serve`", word);
}

Result<int> parse_port(std::string_view text) {
  const auto port = number_of<int>(text);
  if (!port) return fail(EINVAL, "\"{}\" is no port", text);
  return *port;
}

Result<void> take(ServeRequest& request, std::string_view key, std::string_view value) {
  if (key == "store") return void(request.store.dir = value), Result<void>();
  if (key == "shared") return void(request.store.shared.emplace_back(value)), Result<void>();
  if (key == "port") return void(request.options.port = TRY(parse_port(value))), Result<void>();
  for (const auto& [name, member] : kTexts)
    if (key == name) return void(request.options.*member = value), Result<void>();
  for (const auto& [name, member] : kFlags)
    if (key == name) return void(request.options.*member = true), Result<void>();
  return unknown(key);
}

}  // namespace

std::vector<std::string> to_arguments(const ServeRequest& request) {
  std::vector<std::string> words{"store=" + request.store.dir, fmt::format("port={}", request.options.port)};
  for (const std::string& dir : request.store.shared) words.push_back("shared=" + dir);
  for (const auto& [name, member] : kTexts) words.push_back(fmt::format("{}={}", name, request.options.*member));
  for (const auto& [name, member] : kFlags)
    if (request.options.*member) words.push_back(fmt::format("{}=yes", name));
  return words;
}

Result<ServeRequest> parse_arguments(std::span<const std::string> arguments) {
  ServeRequest request;
  for (const std::string& word : arguments) {
    const std::string_view text = word;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) return unknown(word);
    TRY(take(request, text.substr(0, equals), text.substr(equals + 1)));
  }
  if (request.store.dir.empty()) return fail(EINVAL, "usage: acetate-serve store=DIRECTORY [host=…] [port=…]; it is started by `acetate serve`");
  return request;
}

Result<std::string> find_serve_program() {
  return sys::find_helper("acetate-serve", {"/../layers/registry/serve/program/acetate-serve"});
}

}  // namespace acetate::registry
