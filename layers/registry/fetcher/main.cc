// acetate-fetcher DIR: fetches the partial blobs of DIR for whoever asks, in the background, until nobody does.
//
// Started by need (layers/stream/fetcher_program.h) and by nobody else. The command returns when it listens, or when there
// is one already; what it has to say after that stands in DIR/log.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>

#include "base/log.h"
#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "base/sys/standard_descriptors.h"
#include "layers/layer_spec.h"
#include "layers/registry/fetcher/fetcher.h"

namespace acetate::registry {

namespace {

constexpr off_t kMostLog = 1 << 20;

// False in the parent.
Result<bool> go_to_background(const std::string& dir) {
  const std::string path = dir + "/log";
  Fd out = TRY_WITHIN(sys::open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600), "opening {}", path);
  if (TRY(sys::stat(out.ref())).st_size > kMostLog) TRY(sys::truncate(out.ref(), 0));
  if (TRY_WITHIN(sys::checked(sys::Call::clone, [] { return ::fork(); }), "going to the background") != 0) return false;
  ::setsid();
  for (const int standard : {STDOUT_FILENO, STDERR_FILENO})
    TRY(sys::done(sys::Call::dup, [&] { return ::dup2(out.ref().fd, standard); }));
  return true;
}

// What is still under way need not be waited for: it can be interrupted anywhere. Threads of ours use what a return, or
// an exception, would take away.
[[noreturn]] void serve(Fetcher& fetcher) {
  try {
    const auto ended = fetcher.serve();
    if (!ended) log::error("{}", ended.error().message());
    ::_exit(ended ? 0 : 1);
  } catch (const std::exception& error) {
    log::error("{}", error.what());
    ::_exit(1);
  }
}

Result<void> run(const std::string& dir) {
  TRY(sys::install_faults_from_environment());
  const auto fetcher = TRY(Fetcher::listen(dir, {.index_dir = default_index_dir()}));
  if (fetcher == nullptr || !TRY(go_to_background(dir))) return {};
  serve(*fetcher);
}

}  // namespace
}  // namespace acetate::registry

int main(int argc, char** argv) {
  using namespace acetate;
  if (!sys::fill_standard_descriptors()) return 1;
  log::set_program("acetate-fetcher");
  if (argc != 2 || argv[1][0] != '/') {
    log::error("usage: acetate-fetcher DIRECTORY-OF-PARTIAL-BLOBS");
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);
  try {
    const auto ended = registry::run(argv[1]);
    if (ended) return 0;
    log::error("{}", ended.error().message());
  } catch (const std::exception& error) {  // no thread, or no memory to be had
    log::error("{}", error.what());
  }
  return 1;
}
