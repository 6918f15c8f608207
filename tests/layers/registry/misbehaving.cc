#include "tests/layers/registry/misbehaving.h"

#include <cstdio>
#include <cstdlib>
#include <random>

#include "base/sys/file.h"

namespace acetate::test {

namespace {

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "the misbehaving registry: %s\n", why.c_str());
  std::abort();
}

template <class T>
T must(Result<T> result) {
  if (!result) give_up(result.error().message());
  return *std::move(result);
}

}  // namespace

MisbehavingRegistry::MisbehavingRegistry(std::vector<std::string> arguments, long stall_seconds) {
  auto in = must(sys::make_pipe());
  auto out = must(sys::make_pipe());
  arguments.insert(arguments.begin(), {"python3", ACETATE_SOURCE_ROOT "/tests/support/misbehaving_registry.py"});
  child_ = must(sys::spawn({.argv = std::move(arguments), .fds = {{in.read.ref(), 0}, {out.write.ref(), 1}}}));
  keep_alive_ = std::move(in.write);
  out.write.reset();
  std::string line;
  while (line.find('\n') == std::string::npos) {
    char c = 0;
    if (must(sys::read(out.read.ref(), std::as_writable_bytes(std::span(&c, 1)))) == 0) give_up("it does not start");
    line += c;
  }
  if (std::sscanf(line.c_str(), "home %d elsewhere %d", &home_, &elsewhere_) != 2) give_up(line);
  http_ = must(registry::Http::make({.connect_seconds = 600, .stall_seconds = stall_seconds}));
}

std::string MisbehavingRegistry::control(const std::string& verb, const nlohmann::json& body) {
  registry::Request request{.url = "http://" + elsewhere() + "/_control/" + verb};
  if (verb != "log") {
    request.method = "POST";
    request.body = registry::Body::text(body.dump());
  }
  auto answer = must(http_->start(std::move(request)));
  return must(answer.read_all(64 << 20));
}

nlohmann::json MisbehavingRegistry::log() { return nlohmann::json::parse(control("log", {})); }

std::vector<nlohmann::json> MisbehavingRegistry::requests(const std::string& method, const std::string& path) {
  std::vector<nlohmann::json> found;
  for (auto& entry : log())
    if (entry["method"] == method && entry["path"].get<std::string>().find(path) != std::string::npos)
      found.push_back(entry);
  return found;
}

registry::Registry& MisbehavingRegistry::client(registry::RegistryOptions options) {
  options.host = host();
  options.retry.sleep = [pauses = pauses_](std::chrono::milliseconds pause) { pauses->push_back(pause.count()); };
  client_ = must(registry::Registry::connect(*http_, std::move(options)));
  return *client_;
}

image::Descriptor MisbehavingRegistry::put_blob(const std::string& repository, const std::string& bytes) {
  const image::Descriptor blob{.media_type = "application/octet-stream", .digest = Digest::of(bytes), .size = bytes.size()};
  registry::Request request{.method = "POST", .url = "http://" + host() + "/v2/" + repository + "/blobs/uploads/"};
  auto begun = must(http_->start(std::move(request)));
  const auto* location = begun.headers().find("Location");
  if (location == nullptr) give_up("no Location for an upload");
  auto ended = must(http_->start({.method = "PUT",
                                  .url = "http://" + host() + *location + "&digest=" + blob.digest.str(),
                                  .body = registry::Body::text(bytes)}));
  if (ended.status() != 201) give_up("a blob was refused");
  return blob;
}

std::string sample_bytes(std::size_t size, unsigned seed) {
  std::minstd_rand random(seed);
  std::string bytes(size, 0);
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

}  // namespace acetate::test
