// acetate-serve: the server that `acetate serve` becomes. A program of its own, since the libraries it needs, a web server and TLS,
// would be loaded by every other command too.
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <thread>

#include "base/log.h"
#include "base/scope.h"
#include "base/sys/call.h"
#include "base/sys/signals.h"
#include "base/sys/standard_descriptors.h"
#include "layers/registry/serve/command_line.h"

namespace acetate::registry {

namespace {

constexpr std::chrono::seconds kTidyEvery{60};

// Waits for the signals that end us.
Result<void> wait_for_end(const sys::AwaitedSignals& ending, Server& server) {
  const Undo stop{[&] { server.stop(); }};
  while (!TRY(ending.wait(kTidyEvery))) server.tidy();
  return {};
}

Result<void> serve(std::span<const std::string> arguments) {
  TRY(sys::install_faults_from_environment());
  const auto [place, options] = TRY(parse_arguments(arguments));
  // Before any thread is made, so that none of them is interrupted.
  const auto ending = TRY(sys::AwaitedSignals::block({SIGINT, SIGTERM, SIGHUP}));

  TRY(image::ImageStore::open(place));  // a store that cannot be is told of now and not to the first client
  const auto server = TRY(Server::open(place, options));
  const bool numbers = options.host.find(':') != std::string::npos;
  std::cout << fmt::format("serving {} at {}://{}:{}\n", place.dir, options.certificate_file.empty() ? "http" : "https",
                           numbers ? "[" + options.host + "]" : options.host, server->port())
            << std::flush;
  Result<void> ended;
  std::thread serving([&] {
    ended = server->run();
    ::kill(::getpid(), SIGTERM);  // when it broke by itself, whoever waits below is to know
  });
  const auto waited = wait_for_end(ending, *server);
  serving.join();
  TRY(std::move(ended));
  if (!waited) return waited.error().clone();
  return {};
}

}  // namespace
}  // namespace acetate::registry

int main(int argc, char** argv) {
  using namespace acetate;
  if (!sys::fill_standard_descriptors()) return 1;
  log::set_program("acetate");
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  try {
    const auto ended = registry::serve(arguments);
    if (ended) return 0;
    log::error("{}", ended.error().message());
  } catch (const std::exception& error) {  // no thread or no memory to be had
    log::error("ended by an internal error: {}", error.what());
  }
  return 1;
}
