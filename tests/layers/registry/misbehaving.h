// The misbehaving registry of tests/support/misbehaving_registry.py, started for one test.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/sys/process.h"
#include "layers/registry/registry.h"
#include "layers/image/descriptor.h"

namespace acetate::test {

class MisbehavingRegistry {
 public:
  // Ends the program when it cannot be started. `arguments` as its --help has them; `stall_seconds` is how long the
  // client waits for a byte: a test that makes it short expects to be told more than once on a busy machine.
  explicit MisbehavingRegistry(std::vector<std::string> arguments = {}, long stall_seconds = 600);

  std::string host() const { return "127.0.0.1:" + std::to_string(home_); }
  std::string elsewhere() const { return "127.0.0.1:" + std::to_string(elsewhere_); }

  void fault(const nlohmann::json& fault) { control("fault", fault); }
  void set(const nlohmann::json& settings) { control("set", settings); }
  // Requests since the last reset(), but those to control it.
  nlohmann::json log();
  // Those with this method whose path holds `path`.
  std::vector<nlohmann::json> requests(const std::string& method, const std::string& path = "");
  void reset() { control("reset", nullptr); }

  registry::Http& http() { return *http_; }
  // How long the client has waited between tries, in milliseconds; nobody really waits.
  std::vector<long> pauses() const { return *pauses_; }
  // A client connected to it. Ends the test program on failure.
  registry::Registry& client(registry::RegistryOptions options = {});

  // Puts a blob in over HTTP, and returns what it is.
  image::Descriptor put_blob(const std::string& repository, const std::string& bytes);

 private:
  std::string control(const std::string& verb, const nlohmann::json& body);

  Fd keep_alive_;  // its standard input
  sys::Child child_;
  int home_ = 0, elsewhere_ = 0;
  std::unique_ptr<registry::Http> http_;
  std::shared_ptr<std::vector<long>> pauses_ = std::make_shared<std::vector<long>>();
  std::unique_ptr<registry::Registry> client_;
};

// Bytes that no two seeds share, and whose every byte matters.
std::string sample_bytes(std::size_t size, unsigned seed = 1);

}  // namespace acetate::test
