// What the overlay's own code costs, without a kernel between: names looked up, listed, made, copied up, removed.
#include <benchmark/benchmark.h>
#include <fcntl.h>

#include "bench/sample.h"

namespace acetate::bench {
namespace {

void LookupHitLower(benchmark::State& state) {
  const Sample sample(state.range(0));
  const Ino dir = sample.directory();
  std::int64_t i = 0;
  for (auto _ : state) {
    const auto found = sample.overlay().lookup(dir, sample.name(i++));
    if (!found) state.SkipWithError("not found");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(LookupHitLower)->RangeMultiplier(32)->Range(32, 1 << 15);

void LookupMiss(benchmark::State& state) {
  const Sample sample(state.range(0));
  const Ino dir = sample.directory();
  for (auto _ : state) benchmark::DoNotOptimize(sample.overlay().lookup(dir, "not-there"));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(LookupMiss)->RangeMultiplier(32)->Range(32, 1 << 15);

void GetattrLower(benchmark::State& state) {
  const Sample sample(32);
  const Ino file = sample.overlay().lookup(sample.directory(), sample.name(0))->ino;
  for (auto _ : state) benchmark::DoNotOptimize(sample.overlay().getattr(file));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(GetattrLower);

// What READDIRPLUS does: every entry listed and looked up.
void ListAndLookUp(benchmark::State& state) {
  const Sample sample(state.range(0));
  Overlay& overlay = sample.overlay();
  const Ino dir = sample.directory();
  for (auto _ : state) {
    std::vector<std::string> names;
    if (!overlay.readdir(dir, 0, [&](const ListedEntry& entry) {
          if (entry.name != "." && entry.name != "..") names.emplace_back(entry.name);
          return true;
        }))
      state.SkipWithError("cannot list");
    for (const std::string& name : names) overlay.forget(overlay.lookup(dir, name)->ino, 1);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(ListAndLookUp)->RangeMultiplier(32)->Range(32, 1 << 15);

void CreateAndUnlink(benchmark::State& state) {
  const Sample sample(32);
  Overlay& overlay = sample.overlay();
  for (auto _ : state) {
    const auto made = overlay.create(Ino::root, "made", 0644, O_RDWR, sample.caller());
    if (!made) {
      state.SkipWithError("cannot create");
      break;
    }
    overlay.release(made->opened.handle);
    if (!overlay.unlink(Ino::root, "made")) state.SkipWithError("cannot unlink");
    overlay.forget(made->found.ino, 1);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(CreateAndUnlink);

// A file of the lower, changed for the first time; its size in bytes.
void CopyUp(benchmark::State& state) {
  constexpr int kFiles = 256;
  std::optional<Sample> sample;
  std::int64_t i = 0;
  for (auto _ : state) {
    if (i % kFiles == 0) {
      state.PauseTiming();
      sample.emplace(kFiles, static_cast<std::size_t>(state.range(0)));
      state.ResumeTiming();
    }
    const Ino file = sample->overlay().lookup(sample->directory(), sample->name(i++))->ino;
    const auto opened = sample->overlay().open(file, O_WRONLY);
    if (!opened) {
      state.SkipWithError("cannot copy up");
      break;
    }
    sample->overlay().release(opened->handle);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(CopyUp)->Arg(1 << 10)->Arg(1 << 20);

}  // namespace
}  // namespace acetate::bench

BENCHMARK_MAIN();
