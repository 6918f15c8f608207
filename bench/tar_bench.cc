// Tarballs: the first pass over one, the index opened and asked, bytes at any place of a compressed one.
#include <benchmark/benchmark.h>
#include <fcntl.h>

#include <random>

#include "base/sys/file.h"
#include "layers/layer_spec.h"
#include "layers/stack.h"
#include "layers/stream/span_cache.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/layers/tar/tar_maker.h"
#include "tests/support/temp_dir.h"

namespace acetate::bench {
namespace {

// `files` files of `bytes` that do not compress to nothing, in directories of a hundred.
std::string tarball(std::int64_t files, std::size_t bytes) {
  std::mt19937 random(1);
  std::string content(bytes, '\0');
  for (char& c : content) c = static_cast<char>('a' + random() % 16);
  test::TarMaker maker;
  for (std::int64_t i = 0; i < files; ++i) {
    if (i % 100 == 0) maker.dir(fmt::format("d{}", i / 100));
    content[0] = static_cast<char>(i);
    maker.file(fmt::format("d{}/file{}", i / 100, i), content);
  }
  return maker.end();
}

// A .tar.gz on disk and a place for indexes.
struct Packed {
  Packed(std::int64_t files, std::size_t bytes) {
    const std::string plain = tarball(files, bytes);
    const auto packed = test::gzip_of(std::as_bytes(std::span(plain)));
    dir.write("layer.tar.gz", {reinterpret_cast<const char*>(packed.data()), packed.size()});
  }
  Result<OpenedLayer> open(const char* indexes) const { return open_layer({.path = dir / "layer.tar.gz"}, dir / indexes); }
  test::TempDir dir;
};

// Items are files: decode, hash, scan and write the index.
void FirstPass(benchmark::State& state) {
  const Packed packed(state.range(0), 2048);
  int round = 0;
  for (auto _ : state)
    if (!packed.open(fmt::format("index{}", round++).c_str())) state.SkipWithError("cannot open");
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(FirstPass)->Arg(1000)->Arg(30000)->Unit(benchmark::kMillisecond);

// The same whatever the number of files.
void IndexOpen(benchmark::State& state) {
  const Packed packed(state.range(0), 64);
  if (!packed.open("index")) state.SkipWithError("cannot open");
  for (auto _ : state)
    if (!packed.open("index")->index_was_cached) state.SkipWithError("the index was made anew");
}
BENCHMARK(IndexOpen)->Arg(1000)->Arg(30000)->Unit(benchmark::kMicrosecond);

void IndexLookup(benchmark::State& state) {
  const Packed packed(state.range(0), 64);
  const LayerPtr layer = packed.open("index")->layer;
  const Node dir = layer->lookup(layer->root(), "d3")->node;
  std::int64_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(layer->lookup(dir, fmt::format("file{}", 300 + i++ % 100)));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(IndexLookup)->Arg(1000)->Arg(30000);

// 4 KiB somewhere in 64 MiB of plain bytes, more than the cache holds: each begins at a checkpoint.
void SeekRead(benchmark::State& state) {
  const Packed packed(64, 1 << 20);
  SpanCache::process().set_capacity(4 << 20);
  const LayerPtr layer = packed.open("index")->layer;
  std::vector<std::unique_ptr<FileView>> files;
  const Node dir = layer->lookup(layer->root(), "d0")->node;
  for (int i = 0; i < 64; ++i) files.push_back(*layer->open(layer->lookup(dir, fmt::format("file{}", i))->node));
  std::mt19937 random(1);
  std::vector<std::byte> page(4096);
  for (auto _ : state)
    if (!files[random() % files.size()]->pread(page, random() % ((1 << 20) - 4096))) state.SkipWithError("cannot read");
  SpanCache::process().set_capacity(SpanCache::kDefaultCapacity);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(SeekRead)->Unit(benchmark::kMicrosecond);

// A span that is in memory.
void SpanCacheHit(benchmark::State& state) {
  SpanCache cache;
  const SpanCache::Key key{.source = SpanCache::new_source(), .span = 1};
  const auto decode = []() -> Result<SpanBytes> {
    auto span = std::make_shared<DecodedSpan>();
    span->data.reset(new std::byte[4096]);
    span->size = 4096;
    return SpanBytes(std::move(span));
  };
  for (auto _ : state) benchmark::DoNotOptimize(cache.get(key, decode));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(SpanCacheHit);

}  // namespace
}  // namespace acetate::bench

BENCHMARK_MAIN();
