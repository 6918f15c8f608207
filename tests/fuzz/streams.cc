// Packed streams: decoded once from the beginning and once from every checkpoint; both engines must agree.
#include <cstring>

#include "layers/stream/first_pass.h"
#include "layers/stream/seekable.h"
#include "tests/fuzz/demand.h"
#include "tests/fuzz/targets.h"

namespace acetate::fuzz {

namespace {

constexpr std::uint64_t kMostPlain = 4 << 20;

struct Decoded {
  std::vector<std::byte> plain;
  FirstPassResult result;
};

Result<Decoded> decode(const SourcePtr& packed, InflateEngine engine) {
  FirstPass pass = TRY(FirstPass::open(packed, {.span_bytes = 5000, .engine = engine, .most_plain_bytes = kMostPlain}));
  Decoded decoded;
  std::vector<std::byte> buffer(10'000);
  for (;;) {
    const std::size_t count = TRY(pass.read(buffer));
    if (count == 0) break;
    decoded.plain.insert(decoded.plain.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count));
  }
  decoded.result = TRY(pass.finish());
  return decoded;
}

void read_at_random(const SourcePtr& packed, const Decoded& decoded, InflateEngine engine) {
  SpanCache cache(0);
  const auto source = seekable_source({.packed = packed, .format = decoded.result.format,
                                       .plain_size = decoded.result.plain_size,
                                       .checkpoints = checkpoint_table(decoded.result.checkpoints), .cache = &cache,
                                       .engine = engine});
  demand(source.has_value());
  std::vector<std::byte> buffer(3000);
  const std::size_t step = decoded.plain.size() / 20 + 1;
  for (std::size_t at = decoded.plain.size() / step * step; at < decoded.plain.size() + 1; at -= step) {
    const auto got = (*source)->pread(buffer, at);
    demand(got.has_value());
    demand(*got == std::min(buffer.size(), decoded.plain.size() - at));
    demand(*got == 0 || std::memcmp(buffer.data(), decoded.plain.data() + at, *got) == 0);
    if (at < step) break;
  }
}

int stream(std::span<const std::byte> bytes) {
  const SourcePtr packed = memory_source({bytes.begin(), bytes.end()});
  const auto fast = decode(packed, InflateEngine::fastest);
  if (fast) read_at_random(packed, *fast, InflateEngine::fastest);
  const auto careful = decode(packed, InflateEngine::zlib);
  if (careful) read_at_random(packed, *careful, InflateEngine::zlib);
  // The checksum decides, so they may not accept different bytes; one may refuse what the other takes.
  if (fast && careful) demand(fast->plain == careful->plain);
  return 0;
}

// Inputs need not carry the magic number; that would only be a hurdle.
int stream_of(std::span<const std::byte> bytes, std::initializer_list<unsigned char> magic) {
  std::vector<std::byte> whole(bytes.begin(), bytes.end());
  if (whole.size() < magic.size()) return 0;
  std::size_t at = 0;
  for (const unsigned char byte : magic) whole[at++] = std::byte{byte};
  return stream(whole);
}

}  // namespace

int gzip(std::span<const std::byte> bytes) { return stream_of(bytes, {0x1f, 0x8b, 8}); }
int zstd(std::span<const std::byte> bytes) { return stream_of(bytes, {0x28, 0xb5, 0x2f, 0xfd}); }
int xz_and_bzip2(std::span<const std::byte> bytes) {
  return bytes.empty() || bytes[0] != std::byte{'B'} ? stream_of(bytes, {0xfd, '7', 'z', 'X', 'Z', 0})
                                                      : stream_of(bytes, {'B', 'Z', 'h'});
}

}  // namespace acetate::fuzz
