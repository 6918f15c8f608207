// One request and its reply through the real libfuse over a socket pair, the bench in the kernel's place: what the adapter
// costs above the overlay, and what the two wake-ups do.
#include <benchmark/benchmark.h>

#include <thread>

#include "bench/sample.h"
#include "fs/fuse/session.h"
#include "tests/support/fake_fuse.h"

namespace acetate::bench {
namespace {

class ServedSample {
 public:
  explicit ServedSample(std::int64_t files) : sample(files) {
    fs::SessionOptions options;
    options.threads = 1;
    auto session = fs::Session::on(sample.overlay(), kernel.take_daemon_end(), options);
    if (!session) std::abort();
    session_.emplace(*std::move(session));
    thread_ = std::thread([this] { (void)session_->serve(); });
    kernel.init();
    directory = kernel.lookup(FUSE_ROOT_ID, "dir").as<fuse_entry_out>().nodeid;
  }
  ~ServedSample() {
    kernel.hang_up();
    thread_.join();
    session_.reset();
  }

  Sample sample;
  test::FakeFuse kernel;
  std::uint64_t directory = 0;

 private:
  std::optional<fs::Session> session_;
  std::thread thread_;
};

void Lookup(benchmark::State& state) {
  ServedSample served(1024);
  std::int64_t i = 0;
  for (auto _ : state)
    if (served.kernel.lookup(served.directory, served.sample.name(i++)).error != 0) state.SkipWithError("not found");
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Lookup);

void Getattr(benchmark::State& state) {
  ServedSample served(32);
  const std::string body = test::bytes_of(fuse_getattr_in{});
  for (auto _ : state)
    if (served.kernel.ask(FUSE_GETATTR, served.directory, body).error != 0) state.SkipWithError("no attributes");
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Getattr);

// A directory listed with READDIRPLUS in requests of 32 KiB; items are its entries.
void ReadDirPlus(benchmark::State& state) {
  ServedSample served(state.range(0));
  for (auto _ : state) {
    std::uint64_t cookie = 0;
    for (;;) {
      const auto reply = served.kernel.read(served.directory, 0, cookie, 32 << 10, FUSE_READDIRPLUS);
      if (reply.error != 0) state.SkipWithError("cannot list");
      const auto entries = test::parse_dirents(reply, true);
      if (entries.empty()) break;
      cookie = entries.back().off;
      for (const auto& entry : entries)
        if (entry.entry && entry.entry->nodeid != 0) served.kernel.forget(entry.entry->nodeid, 1);
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(ReadDirPlus)->Arg(64)->Arg(4096);

}  // namespace
}  // namespace acetate::bench

BENCHMARK_MAIN();
